"""Which weights learn when, and how fast: the head first, lower layers slower."""

from __future__ import annotations

from torch import nn

__all__ = ["LR_SCALE", "EncoderPause", "layer_groups", "scale_learning_rates"]

#: Key of a parameter group: the factor on its learning rate.
LR_SCALE = "lr_scale"


def layer_groups(
    detector: nn.Module,
    modules: nn.Module,
    decay: float,
    vectors_without_decay: bool = False,
) -> list[dict]:
    """Make parameter groups of which the lower layers learn more slowly.

    With L transformer layers, layer i has the learning rate times
    `decay ** (L + 1 - i)` and what comes before layer 1 has it times
    `decay ** (L + 1)`; the norm after the last layer and all that is not encoder have
    it in full. So in BEiT (https://arxiv.org/abs/2106.08254), after ELECTRA
    (https://arxiv.org/abs/2003.10555).

    Arguments
    ---------
    detector : lobes.detector.Detector
        Its encoder is a `lobes.ssl.SSLEncoder`.
    modules : torch.nn.Module
        Everything that is trained, the detector included.
    decay : float
        Above 0, at most 1.
    vectors_without_decay : bool
        Whether biases and norms are to be left out of weight decay.

    Returns
    -------
    list of dict
        Groups for an optimiser, the head first, then from the top down, with the
        factor under `LR_SCALE`. Every parameter that needs a gradient is in one.

    Raises
    ------
    ValueError
        If `decay` is out of range.
    """
    if not 0 < decay <= 1:
        raise ValueError(
            f"layer_decay is {decay}; give a number above 0 and at most 1, such as "
            "0.9, or null."
        )
    encoder = detector.encoder
    layers = encoder.family.layers(encoder.model)
    exponents = {id(parameter): len(layers) + 1 for parameter in encoder.parameters()}
    for number, layer in enumerate(layers, 1):
        exponents |= {id(p): len(layers) + 1 - number for p in layer.parameters()}
    norm = encoder.family.final_norm(encoder.model)
    exponents |= {id(p): 0 for p in norm.parameters()} if norm else {}
    members: dict[tuple[int, bool], list] = {}
    for parameter in modules.parameters():
        if parameter.requires_grad:
            vector = vectors_without_decay and parameter.dim() == 1
            key = exponents.get(id(parameter), 0), vector
            members.setdefault(key, []).append(parameter)
    groups = []
    for exponent, vector in sorted(members):
        group = {"params": members[exponent, vector], LR_SCALE: decay**exponent}
        groups.append(group | ({"weight_decay": 0.0} if vector else {}))
    return groups


def scale_learning_rates(optimizer) -> None:
    """Apply the factors of `layer_groups` to what a schedule has just set."""
    for group in optimizer.param_groups:
        group["lr"] *= group.get(LR_SCALE, 1.0)


class EncoderPause:
    """Keeps the encoder as it is while a new head learns.

    Parameters that are frozen anyway stay so.

    Arguments
    ---------
    encoder : torch.nn.Module
        What is to wait.
    steps : int
        Number of optimiser steps to wait; 0 for none.
    """

    def __init__(self, encoder: nn.Module, steps: int):
        self.encoder = encoder
        self.steps = steps
        self._parameters = [p for p in encoder.parameters() if p.requires_grad]
        self.active = False

    def begin(self) -> None:
        """Freeze the encoder, if there is anything to wait for."""
        if self.steps:
            self._switch(False)

    def end(self) -> None:
        """Let it learn."""
        self._switch(True)

    def is_over(self, optimizer_step: int) -> bool:
        """Whether the encoder waits but need not any more."""
        return self.active and optimizer_step >= self.steps

    def _switch(self, learns: bool) -> None:
        for parameter in self._parameters:
            parameter.requires_grad_(learns)
        self.active = not learns
