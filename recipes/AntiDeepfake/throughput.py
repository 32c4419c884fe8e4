"""How fast training goes, and whether it waits for its data."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from speechbrain.dataio.batch import PaddedBatch
from speechbrain.utils.logger import get_logger

from recipes.AntiDeepfake.dataio import SAMPLE_RATE
from recipes.AntiDeepfake.sampling import process_rank

__all__ = ["Throughput"]

logger = get_logger(__name__)

# Batches that the share of waiting is judged by.
_ENOUGH = 50


class Throughput:
    """Watches the batches of a nominal epoch pass by.

    Waiting is the time from the end of one batch to the arrival of the next. The
    first batch does not count: the processes that read audio are only starting.

    Arguments
    ---------
    most_waiting : float
        Share of the time, from 0 to 1, above which waiting is worth a message.
    clock : callable
        Gives seconds.

    Example
    -------
    >>> clock = iter([0.0, 1.0, 3.0, 4.0, 5.0, 6.0]).__next__
    >>> meter = Throughput(clock=clock)
    >>> batch = PaddedBatch([{"wav": torch.ones(16000)}, {"wav": torch.ones(8000)}])
    >>> for _ in range(3):
    ...     meter.batch_begins(batch)
    ...     meter.batch_ends()
    >>> stats = meter.stats()
    >>> stats["hours per hour"], stats["padding"], stats["waiting"]
    (0.6, 0.25, 0.6)
    """

    def __init__(
        self,
        most_waiting: float = 0.2,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self.most_waiting = most_waiting
        self.clock = clock
        self.batches = 0
        self.waited = 0.0
        self.worked = 0.0
        self.seconds = 0.0
        self.padded_seconds = 0.0
        self._last = None
        self._warned = False
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def batch_begins(self, batch: PaddedBatch) -> None:
        """Note that a batch has arrived."""
        now = self.clock()
        if self._last is not None:
            self.waited += now - self._last
            rows, samples = batch.wav.data.shape
            self.padded_seconds += rows * samples / SAMPLE_RATE
            self.seconds += float(batch.wav.lengths.sum()) * samples / SAMPLE_RATE
            self.batches += 1
        self._last = now

    def batch_ends(self) -> None:
        """Note that a batch is done with; the device must be, too."""
        now = self.clock()
        if self.batches:
            self.worked += now - self._last
        self._last = now
        if self.batches == _ENOUGH:
            self._warn(self.waited, self.worked)

    def pause_ends(self) -> None:
        """Let the time since the last batch count for nothing."""
        self._last = self.clock()

    def stats(self) -> dict[str, float]:
        """Sum up over the batches so far, and all processes.

        Returns
        -------
        dict
            `hours per hour`: hours of audio in an hour; `padding` and `waiting`:
            shares from 0 to 1, the latter that of the process that waits most;
            `GPU GB`: most memory that tensors took on one GPU, if there is one.
            Empty if there were not two batches.
        """
        memory = 0.0
        if torch.cuda.is_available():
            memory = torch.cuda.max_memory_allocated() / 1e9
        mine = (self.seconds, self.padded_seconds, self.waited, self.worked, memory)
        parts = [mine]
        if process_rank()[1] > 1:
            parts = [None] * process_rank()[1]
            torch.distributed.all_gather_object(parts, mine)
        seconds, padded, waited, worked, memories = zip(*parts, strict=True)
        slowest = max(parts, key=lambda part: part[2])
        if not sum(padded):
            return {}
        self._warn(slowest[2], slowest[3])
        times = [one + other for one, other in zip(waited, worked, strict=True)]
        stats = {
            "hours per hour": sum(seconds) / max(times),
            "padding": 1 - sum(seconds) / sum(padded),
            "waiting": slowest[2] / (slowest[2] + slowest[3]),
        }
        return stats | ({"GPU GB": max(memories)} if max(memories) else {})

    def _warn(self, waited: float, worked: float) -> None:
        """Say once that the data come too slowly."""
        share = waited / (waited + worked)
        if share > self.most_waiting and not self._warned:
            self._warned = True
            logger.warning(
                f"Training waits for its data {share:.0%} of the time. Give more "
                "processes that read audio (--num_workers, up to the number of CPU "
                "cores for each GPU), put the audio on a faster disk or into shards, "
                "or see whether the augmentation takes too long."
            )
