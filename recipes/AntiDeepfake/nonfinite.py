"""What to do about losses, gradients and logits that are not finite."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from speechbrain.utils.logger import get_logger

from recipes.AntiDeepfake.sampling import process_rank

__all__ = ["BatchLog", "NonFiniteError", "check_logits"]

logger = get_logger(__name__)

# IDs in a message.
_SHOWN = 20
# The scaler of fp16 begins with 65536 and halves its factor with each overflow: after
# 16 of them it is 1, below which it would make gradients smaller instead of larger. A
# factor that has grown takes a few more.
_LONGEST_SEARCH = 20

_REMEDY = (
    "Training ends here; the checkpoints are from before, and the same command "
    "continues from the newest. Give it --precision bf16 or fp32. If it is always the "
    "same IDs, listen to them and take them out of the manifest; otherwise lower --lr: "
    "for these delete run.json beside the checkpoints, which guards against a run that "
    "changes under way, or start anew in another --output_folder."
)


class NonFiniteError(ValueError):
    """Training has lost its way; names the batches or trials and says what to do."""


class BatchLog:
    """The batches of one optimiser step, and what was wrong with them.

    Decisions are those of all processes together, so that none steps, or ends, while
    the others do not.

    Example
    -------
    >>> log = BatchLog()
    >>> log.begin(["a", "b"])
    >>> log.judge(finite=True)
    (True, False)
    >>> log.blame()
    >>> log.judge(finite=True)
    (False, True)
    """

    def __init__(self):
        self.clear()

    def clear(self) -> None:
        """Begin an optimiser step."""
        self._ids: list[list[str]] = []
        self._blamed: list[int] = []

    def begin(self, ids: Sequence[str]) -> None:
        """Note that a batch has arrived."""
        self._ids.append(list(ids))

    def blame(self) -> None:
        """Note that the loss of the last batch is not finite."""
        self._blamed.append(len(self._ids) - 1)

    def judge(self, finite: bool) -> tuple[bool, bool]:
        """Decide about the step.

        Arguments
        ---------
        finite : bool
            Whether its gradients are finite.

        Returns
        -------
        usable : bool
            Whether losses and gradients are finite in all processes.
        bad_loss : bool
            Whether a loss is not.
        """
        flags = torch.tensor([not finite, bool(self._blamed)], dtype=torch.int32)
        if process_rank()[1] > 1:
            if torch.distributed.get_backend() == "nccl":
                flags = flags.cuda()
            torch.distributed.all_reduce(flags, torch.distributed.ReduceOp.MAX)
        bad_gradient, bad_loss = map(bool, flags.tolist())
        return not (bad_gradient or bad_loss), bad_loss

    def report(self, where: str, count: int, patience: int) -> None:
        """Name the batches of a step that is left out.

        Arguments
        ---------
        where : str
            The place in the training.
        count : int
            Steps left out in this nominal epoch.
        patience : int
            How many of them are endured.

        Raises
        ------
        NonFiniteError
            If there are more.
        """
        batches, what = self._suspects()
        message = (
            f"{where}: {what} not finite; the optimiser step is left out. That counts "
            f"{count} in this nominal epoch, of {patience} that are endured "
            f"(--nonfinite_patience). IDs: {_some(batches)}."
        )
        if count <= patience:
            logger.warning(message)
            return
        raise NonFiniteError(f"{message} {_REMEDY}")

    def check_search(self, where: str, in_a_row: int, scale: float) -> None:
        """Make sure that the gradient scaler of fp16 is only searching its factor.

        Arguments
        ---------
        where : str
            The place in the training.
        in_a_row : int
            So many of the last steps were left out.
        scale : float
            The factor of the scaler.

        Raises
        ------
        NonFiniteError
            If no smaller factor will help; names the last batches.

        Example
        -------
        >>> log = BatchLog()
        >>> log.check_search("epoch 1, batch 8", in_a_row=8, scale=256.0)
        """
        if not in_a_row or (in_a_row <= _LONGEST_SEARCH and scale >= 1):
            return
        batches, _ = self._suspects()
        raise NonFiniteError(
            f"{where}: gradients are not finite in {in_a_row} optimiser steps in a "
            f"row; the gradient scaler of fp16 is down to a factor of {scale:g}. It is "
            "no overflow that a smaller factor would prevent; none of these steps was "
            f"taken. IDs of the last: {_some(batches)}. {_REMEDY}"
        )

    def _suspects(self) -> tuple[list[str], str]:
        """IDs of the batches to blame, of all processes, and what is wrong."""
        mine = ([self._ids[i] for i in self._blamed], self._ids)
        parts = [mine]
        if process_rank()[1] > 1:
            parts = [None] * process_rank()[1]
            torch.distributed.all_gather_object(parts, mine)
        blamed = [name for part in parts for ids in part[0] for name in ids]
        if blamed:
            return blamed, "the loss is"
        return [name for part in parts for ids in part[1] for name in ids], (
            "gradients are"
        )


def check_logits(ids: Sequence[str], logits: torch.Tensor) -> None:
    """Raise unless all validation trials have a finite score.

    Arguments
    ---------
    ids : sequence of str
        The trials.
    logits : torch.Tensor
        `[trials, 2]`.

    Raises
    ------
    NonFiniteError
        If one has not.
    """
    bad = ~torch.isfinite(logits).all(1)
    if bad.any():
        names = [name for name, wrong in zip(ids, bad.tolist(), strict=True) if wrong]
        raise NonFiniteError(
            f"{len(names)} of {len(ids)} validation trials have logits that are not "
            f"finite: {_some(names)}. If it is a few, listen to them and take them out "
            "of the manifest; if it is all, lower --lr and start from an earlier "
            "checkpoint."
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
