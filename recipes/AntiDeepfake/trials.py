"""The trials of a validation, brought together from batches and processes."""

from __future__ import annotations

import torch

from recipes.AntiDeepfake.sampling import process_rank

__all__ = ["Trials"]


class Trials:
    """Collects what a detector says of each trial, over batches and processes."""

    def __init__(self):
        self._ids: list[str] = []
        self._logits: list[torch.Tensor] = []
        self._labels: list[torch.Tensor] = []

    def add(self, ids: list[str], logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch: IDs, logits `[batch, 2]` and labels `[batch]`."""
        self._ids += list(ids)
        self._logits.append(logits.detach().float().cpu())
        self._labels.append(labels.cpu())

    def gather(self) -> tuple[list[str], torch.Tensor, torch.Tensor]:
        """Bring the trials of all processes together, in the order of their IDs.

        Returns
        -------
        list of str
            The IDs.
        torch.Tensor
            Logits, `[trials, 2]`.
        torch.Tensor
            Labels, `[trials]`.

        Raises
        ------
        RuntimeError
            If a trial was scored twice.
        """
        parts = [(self._ids, self._logits, self._labels)]
        if process_rank()[1] > 1:
            parts = [None] * process_rank()[1]
            mine = (self._ids, self._logits, self._labels)
            torch.distributed.all_gather_object(parts, mine)
        ids = [one for part in parts for one in part[0]]
        logits = torch.cat([one for part in parts for one in part[1]])
        labels = torch.cat([one for part in parts for one in part[2]])
        if len(set(ids)) != len(ids):
            raise RuntimeError(f"{len(ids) - len(set(ids))} trials were scored twice.")
        order = sorted(range(len(ids)), key=ids.__getitem__)
        return [ids[i] for i in order], logits[order], labels[order]
