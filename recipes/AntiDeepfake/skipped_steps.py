"""Optimiser steps that were left out, counted so that a resumed run counts on."""

from __future__ import annotations

import json
from pathlib import Path

from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)

__all__ = ["SkippedSteps"]


@register_checkpoint_hooks
class SkippedSteps:
    """Counts the steps that were left out since their gradients were not finite.

    Example
    -------
    >>> skipped = SkippedSteps()
    >>> for taken in (True, False, False):
    ...     skipped.note(taken)
    >>> skipped.in_a_row, skipped.in_epoch
    (2, 2)
    >>> skipped.note(taken=True)
    >>> skipped.in_a_row, skipped.in_epoch
    (0, 2)
    """

    def __init__(self):
        #: The last so many steps were left out.
        self.in_a_row = 0
        #: So many were in this nominal epoch.
        self.in_epoch = 0

    def begin_epoch(self) -> None:
        """Begin a nominal epoch."""
        self.in_epoch = 0

    def note(self, taken: bool) -> None:
        """Note whether a step was taken."""
        self.in_a_row = 0 if taken else self.in_a_row + 1
        self.in_epoch += not taken

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the counts."""
        Path(path).write_text(json.dumps(vars(self)), encoding="utf-8")

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool = True) -> None:
        """Go on counting."""
        del end_of_epoch
        vars(self).update(json.loads(Path(path).read_text(encoding="utf-8")))
