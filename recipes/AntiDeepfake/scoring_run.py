"""Trials to scores, by any number of processes, with every trial exactly once.

A process keeps what it scores itself; in the end the main process gets all of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.distributed import ddp_barrier

from recipes.AntiDeepfake.logit_table import LogitTable
from recipes.AntiDeepfake.rows import column_texts, select_rows
from recipes.AntiDeepfake.sampling import process_rank
from recipes.AntiDeepfake.score_log import FileStamps, ScoreLog

__all__ = ["Scored", "ScoringRun"]


@dataclass
class Scored:
    """What scoring gave: logits by ID, and the reason for each ID without."""

    logits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def score(self, item_id: str) -> float:
        """The CM score of a trial, `logit[real] - logit[fake]`."""
        fake, real = self.logits[item_id]
        return real - fake


class ScoringRun:
    """Scoring of rows by all processes together, wherever the audio comes from.

    Arguments
    ---------
    rows, log, refused
        As for `scoring.score_rows`.
    stamps : FileStamps, optional
        Of the files of the rows: scores of files that have changed are not taken from
        the log. Without, the log is of audio that cannot change.
    """

    def __init__(
        self,
        rows: Sequence[Mapping[str, str]],
        log: ScoreLog | None = None,
        refused: Mapping[str, str] | None = None,
        stamps: FileStamps | None = None,
    ):
        self.log = log
        self.stamps = stamps
        self.table = LogitTable(rows)
        self.refused = dict(refused or {})
        not_refused = np.ones(len(rows), bool)
        not_refused[self.table.find(list(self.refused))] = False
        changed = self._take_known(not_refused) if log else 0
        #: Which rows are to be scored now, by any process, [rows].
        self.wanted = self.table.missing & not_refused
        self._known = len(self.table)
        if log and process_rank()[0] == 0:
            _tell(log, self._known, len(rows), changed)
        ddp_barrier()  # what the others add now is not known to all

    def _take_known(self, not_refused: NDArray[np.bool_]) -> int:
        """Take scores from the log; how many are not, because files have changed."""
        changed = np.zeros(len(self.table.rows), bool)
        for ids, logits, stamps in self.log.blocks():
            positions = self.table.find(ids)
            same = self._same_files(positions, stamps)
            changed[positions[(positions >= 0) & ~same]] = True
            positions, logits = positions[same], logits[same]
            # A trial may be there twice if two runs went on at the same time.
            positions, first = np.unique(positions, return_index=True)
            new = (positions >= 0) & (self.table.missing & not_refused)[positions]
            self.table.put(positions[new], logits[first[new]])
        return int(np.count_nonzero(changed & self.table.missing))

    def _same_files(
        self, positions: NDArray[np.int64], stamps: Sequence[str]
    ) -> NDArray[np.bool_]:
        """Whether files are as the log has them; without a stamp they are."""
        if self.stamps is None:
            return np.ones(len(positions), bool)
        pairs = zip(positions.tolist(), stamps, strict=True)
        return np.array(
            [
                not stamp or (position >= 0 and self.stamps(position) == stamp)
                for position, stamp in pairs
            ],
            bool,
        )

    def score(
        self,
        predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        batches: Iterable[tuple[PaddedBatch | None, Mapping[str, str]]],
    ) -> Scored:
        """Score this process's batches and bring those of all together.

        Arguments
        ---------
        predict : callable
            As for `scoring.score_rows`.
        batches : iterable of tuple
            What can be scored, or None, and by ID the reasons of what cannot.

        Returns
        -------
        Scored
            See `scoring.score_rows`.
        """
        failures = {}
        for batch, failed in batches:
            failures.update(failed)
            if batch is not None:
                with torch.inference_mode():
                    logits = predict(*batch.wav).float().cpu().numpy()
                self.table.add(batch.id, logits)
                if self.log:
                    stamps = batch.stamp if self.stamps else None
                    self.log.append(batch.id, logits.tolist(), stamps)
        return self._gather(failures)

    def _gather(self, failures: dict[str, str]) -> Scored:
        """Join the parts of all processes and check that every trial is there once."""
        rank, world = process_rank()
        scored = Scored(self.table, self.refused | failures)
        if world > 1:
            parts = [None] * world if rank == 0 else None
            mine = (*self.table.entries(self._known), failures)
            torch.distributed.gather_object(mine, parts)
            for positions, logits, failed in (parts or [])[1:]:
                self.table.put(positions, logits)
                scored.failures.update(failed)
        if rank == 0:
            self._require_all(scored)
        return scored

    def _require_all(self, scored: Scored) -> None:
        rows = self.table.rows
        missing = select_rows(rows, np.flatnonzero(self.table.missing))
        found = len(scored.logits) + len(scored.failures)
        names = column_texts(missing, "ID")
        lost = [name for name in names if name not in scored.failures]
        if found != len(rows) or lost:
            examples = (
                f", and nothing is known of {', '.join(lost[:5])}" if lost else ""
            )
            raise RuntimeError(
                f"{len(rows)} trials were to be scored, but {found} were{examples}."
            )


def _tell(log: ScoreLog, known: int, total: int, changed: int) -> None:
    """Say on standard error which scores were there already."""
    if known:
        print(
            f"{known} of {total} scores taken from {log.folder} (remove it to score "
            "again)",
            file=sys.stderr,
        )
    if changed:
        print(
            f"scores in {log.folder} of files that have changed since or are gone: "
            f"{changed} of {total}, scored again",
            file=sys.stderr,
        )
