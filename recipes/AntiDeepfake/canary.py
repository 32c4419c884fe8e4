"""The canary: a short waveform made by a formula, and the logits it must give.

A detector is stored with its logits of the canary and gives them again when it is
loaded, or is not loaded: no changed weight, other version or broken kernel goes
unnoticed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch

__all__ = ["CANARY_TOLERANCE", "canary_logits", "canary_wav", "check_canary"]

CANARY_SAMPLES = 16000
# Float rounding between machines, far below what a wrong tensor does.
CANARY_TOLERANCE = 1e-3

Logits = Callable[[torch.Tensor], torch.Tensor]


def canary_wav(samples: int = CANARY_SAMPLES) -> torch.Tensor:
    """A rising tone with a beating amplitude; one second unless told otherwise.

    Arguments
    ---------
    samples : int
        Length; a longer one continues a shorter one.

    Returns
    -------
    torch.Tensor
        `[1, time]`, 16 kHz.

    Example
    -------
    >>> canary_wav().shape
    torch.Size([1, 16000])
    """
    t = torch.arange(samples, dtype=torch.float64) / 16000
    tone = torch.sin(2 * math.pi * (200 + 1500 * t) * t)
    return (tone * (1 + torch.cos(2 * math.pi * 5 * t)))[None].float()


def canary_logits(logits: Logits) -> list[float]:
    """The logits of the canary.

    Arguments
    ---------
    logits : callable
        `wav [1, time] -> logits [1, 2]`, in float32.

    Returns
    -------
    list of float
        `[fake, real]`.
    """
    with torch.inference_mode(), _full_precision():
        return logits(canary_wav())[0].float().cpu().tolist()


@contextmanager
def _full_precision() -> Iterator[None]:
    """Switch TensorFloat-32 off for a while.

    SpeechBrain switches it on. Its 10 bits of mantissa would make a GPU differ from
    a CPU by more than rounding.
    """
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = False
        yield
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


def check_canary(
    logits: Logits, expected: Sequence[float], tolerance: float = CANARY_TOLERANCE
) -> None:
    """Compare the logits of the canary with the stored ones.

    Arguments
    ---------
    logits : callable
        `wav [1, time] -> logits [1, 2]`, in float32.
    expected : list of float
        `[fake, real]`.
    tolerance : float
        What passes for rounding.

    Raises
    ------
    RuntimeError
        If they differ by more than rounding; names the difference.
    """
    found = canary_logits(logits)
    difference = max(abs(a - b) for a, b in zip(found, expected, strict=True))
    if not difference <= tolerance:  # also if it is NaN
        raise RuntimeError(
            f"the detector does not prove itself: on the canary its logits are "
            f"{_shown(found)}, but {_shown(expected)} are stored with it, a "
            f"difference of {difference:.3g} (rounding: up to {tolerance}). "
            "The weights or the software changed: do not trust its scores, get the "
            "detector again or use the versions that it was made with."
        )


def _shown(logits: Sequence[float]) -> str:
    return f"[{', '.join(f'{value:.6g}' for value in logits)}]"
