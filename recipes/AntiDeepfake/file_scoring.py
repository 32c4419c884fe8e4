"""What a detector can do with audio files, whatever runs its network."""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from lobes.detector import scores
from recipes.AntiDeepfake.aggregates import AGGREGATES
from recipes.AntiDeepfake.calibration import Calibration, CalibrationError
from recipes.AntiDeepfake.dataio import SAMPLE_RATE, read_waveform
from recipes.AntiDeepfake.rows import column_texts
from recipes.AntiDeepfake.score_log import ScoreLog
from recipes.AntiDeepfake.scoring import Scored, find_audio, score_rows
from recipes.AntiDeepfake.windows import LongScore, windows

__all__ = ["Decision", "FileScorer"]


class Decision(NamedTuple):
    """What a detector says of one recording.

    Arguments
    ---------
    label : str
        `real` if the log-likelihood ratio is above the threshold, else `fake`.
    probability : float
        Probability of `real` when both are equally likely beforehand.
    llr : float
        Log-likelihood ratio of real to fake: that of the calibration, or without one
        the score itself. It is one as far as the detector is calibrated for such audio.
    threshold : float
        What the label was decided by, on the log-likelihood ratio.
    """

    label: str
    probability: float
    llr: float
    threshold: float


class FileScorer(ABC):
    """Scores waveforms and files by a network that a subclass runs (`logits`)."""

    #: Longest recording that can be scored in one piece; None for any.
    max_seconds: float | None = None
    #: What the scores mean; None if that was not measured.
    calibration: Calibration | None = None

    @abstractmethod
    def digest(self) -> str:
        """Short text that differs for detectors with other weights."""

    @abstractmethod
    def logits(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits of waveforms at any level.

        Arguments
        ---------
        wavs : torch.Tensor
            `[batch, time]`, 16 kHz, padded at the end.
        wav_lens : torch.Tensor, optional
            `[batch]`, relative lengths; without, all are full.

        Returns
        -------
        torch.Tensor
            `[batch, 2]`, index 0 fake, 1 real.
        """

    def score_batch(
        self, wavs: torch.Tensor, wav_lens: torch.Tensor | None = None
    ) -> torch.Tensor:
        """CM scores `[batch]` of a batch; arguments as for `logits`."""
        return scores(self.logits(wavs, wav_lens))

    def score_file(self, path: str | Path) -> float:
        """CM score of one audio file, whole, of any rate and number of channels.

        Raises
        ------
        data_prep.audio_info.AudioError
            If the file cannot be scored; says why.
        """
        return self.score_batch(read_waveform(path)[None]).item()

    def score_files(
        self,
        paths: Iterable[str | Path],
        max_batch_length: float = 100.0,
        num_workers: int = 0,
        progressbar: bool | None = None,
        log: ScoreLog | None = None,
    ) -> Scored:
        """Score files in batches of similar length; the scores are those of each alone.

        Arguments
        ---------
        paths : iterable of str or Path
            Audio files, and folders, which are searched through.
        max_batch_length : float
            Most seconds in a batch.
        num_workers : int
            Processes that read audio.
        progressbar : bool, optional
            Whether to show one; by default on a terminal.
        log : ScoreLog, optional
            Scores that are there already, as for `scoring.score_rows`.

        Returns
        -------
        Scored
            By the paths as text: `.score(path)` and `.logits[path]` of what could be
            scored, in the order given; `.failures[path]`, the reason, of the rest.
        """
        rows, failures = find_audio(map(str, paths))
        found = self.score_rows(
            rows,
            max_batch_length=max_batch_length,
            num_workers=num_workers,
            progressbar=sys.stderr.isatty() if progressbar is None else progressbar,
            log=log,
        )
        order = [row["ID"] for row in rows if row["ID"] in found.logits]
        return Scored(
            {name: found.logits[name] for name in order}, failures | found.failures
        )

    def score_rows(
        self,
        rows: Sequence[Mapping[str, str]],
        data_folder: str | Path | None = None,
        **settings,
    ) -> Scored:
        """Score the rows of a manifest.

        Arguments
        ---------
        rows : list of dict
            Manifest rows.
        data_folder : str or Path, optional
            What `$ROOT` stands for.
        **settings
            `max_batch_length`, `num_workers`, `progressbar` and `log`, as for
            `scoring.score_rows`.

        Returns
        -------
        Scored
            Every row is in `logits` or in `failures`.
        """
        settings |= {"normalise": False, "refused": self.too_long_rows(rows)}
        return score_rows(self.logits, rows, data_folder, **settings)

    def llr(self, score: float) -> float:
        """Log-likelihood ratio of real to fake for a score.

        Arguments
        ---------
        score : float
            A CM score of this detector; an array or a tensor of them will do.

        Returns
        -------
        float
            Natural logarithm. Without a calibration it is the score itself.
        """
        return score if self.calibration is None else self.calibration.llr(score)

    def posterior(self, score: float, prior: float = 0.5) -> float:
        """Probability that audio with this score is real.

        Arguments
        ---------
        score : float
            A CM score of this detector.
        prior : float
            Probability of real before listening, between 0 and 1.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If the prior is not between 0 and 1.
        """
        if not 0 < prior < 1:
            raise ValueError(f"the prior is {prior}: give a probability in (0, 1).")
        log_odds = self.llr(score) + math.log(prior / (1 - prior))
        return torch.sigmoid(torch.tensor(log_odds, dtype=torch.float64)).item()

    def classify_file(self, path: str | Path, threshold: float | str = 0.0) -> Decision:
        """Call a file `real` or `fake` by whether its llr exceeds a threshold.

        The default is the point of equal probability. For a detector that is not
        calibrated it says little about speech from elsewhere: calibrate it, or choose
        a threshold, on data like yours.

        Arguments
        ---------
        path : str or Path
            Audio file.
        threshold : float or str
            A number, on the log-likelihood ratio; without a calibration that is the
            score `logit[real] - logit[fake]`. Or the name of an operating point of
            the calibration, such as `fpr=0.01`.

        Returns
        -------
        Decision
            Label, probability, log-likelihood ratio and threshold.

        Raises
        ------
        data_prep.audio_info.AudioError
            If the file cannot be scored; says why.
        recipes.AntiDeepfake.calibration.CalibrationError
            If there is no operating point of that name.
        """
        if isinstance(threshold, str):
            if self.calibration is None:
                raise CalibrationError(
                    f"threshold {threshold!r} is the name of an operating point, but "
                    "this detector is not calibrated. Give a number, or calibrate it: "
                    "python -m recipes.AntiDeepfake.calibrate --help"
                )
            threshold = self.calibration.threshold(threshold)
        score = self.score_file(path)
        llr = self.llr(score)
        label = "real" if llr > threshold else "fake"
        return Decision(label, self.posterior(score), llr, threshold)

    def score_long_file(
        self,
        path: str | Path,
        window: float = 10.0,
        hop: float = 5.0,
        rule: str = "mean",
        max_batch_length: float = 100.0,
    ) -> LongScore:
        """Score a recording along time, by windows that slide over it.

        Each window is scored as if it were a file of its own; the last one ends with
        the recording and is shorter: what it is padded with in a batch is masked.
        The whole recording is kept in memory, 230 MB an hour (more while audio of a
        high sample rate is read).

        Arguments
        ---------
        path : str or Path
            Audio file.
        window : float
            Length of a window in seconds. 10 to 13 is what detectors are trained on.
        hop : float
            From the start of a window to the start of the next, in seconds.
        rule : str
            How the score of the recording is made of those of the windows: a key of
            `aggregates.AGGREGATES`.
        max_batch_length : float
            Most seconds in a batch.

        Returns
        -------
        LongScore
            Times, scores and the score of the recording.

        Raises
        ------
        data_prep.audio_info.AudioError
            If the file cannot be scored; says why.
        ValueError
            If the rule is not known or the lengths make no sense.
        """
        if rule not in AGGREGATES:
            known = ", ".join(AGGREGATES)
            raise ValueError(f"rule is {rule!r}; give one of {known}.")
        wav = read_waveform(path)
        pieces = windows(len(wav), window, hop)
        at_once = max(1, int(max_batch_length / window))
        found = torch.cat(
            [
                self._score_pieces([wav[a:b] for a, b in pieces[i : i + at_once]])
                for i in range(0, len(pieces), at_once)
            ]
        )
        starts, stops = (np.array(pieces) / SAMPLE_RATE).T
        values = found.numpy()
        score = float(AGGREGATES[rule](values))
        return LongScore(score, rule, starts, stops, values)

    def too_long(self, seconds: float) -> str:
        """What to say of a recording that is longer than `max_seconds`."""
        return (
            f"{seconds:g} s long, but this detector takes {self.max_seconds:g} s at "
            "most. Use score_long_file, or a detector that is not an ONNX file."
        )

    def too_long_rows(self, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """Reasons, by ID, why rows of a manifest cannot be scored in one piece."""
        if self.max_seconds is None:
            return {}
        columns = [column_texts(rows, name) for name in ("ID", "Duration")]
        return {
            name: f"{name}: {self.too_long(float(seconds))}"
            for name, seconds in zip(*columns, strict=True)
            if float(seconds) > self.max_seconds
        }

    def _score_pieces(self, pieces: list[torch.Tensor]) -> torch.Tensor:
        wavs = pad_sequence(pieces, batch_first=True)
        lens = torch.tensor([len(piece) for piece in pieces]) / wavs.shape[1]
        return self.score_batch(wavs, lens).cpu()
