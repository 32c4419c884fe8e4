"""What post-training takes, by arithmetic: operations and hours.

Nothing here was measured. A forward pass costs two operations for each weight and
frame in the transformer, `4 dim frames` for each frame and layer in attention, and the
convolution stack; a backward pass costs twice as much as a forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lobes.model_table import count_parameters
from lobes.models import MODELS, ModelInfo

__all__ = [
    "PEAK",
    "SHARE",
    "STEPS",
    "Cost",
    "cost_table",
    "forward_operations",
    "training_cost",
]

#: Operations per second of an NVIDIA A100 in fp16, by its data sheet.
PEAK = 312e12
#: Part of it that is assumed to be reached.
SHARE = 0.3
#: Optimiser steps of the paper's experiments, `total_steps`.
STEPS = 800_000
#: The longest crop in seconds: longest attention.
CROP = 13.0
_RATE = 16000


@dataclass(frozen=True)
class Cost:
    """Cost of post-training one model with the settings of the paper.

    Arguments
    ---------
    parameters : int
        Of the encoder.
    operations : float
        Floating-point operations of a step, on each GPU.
    step_seconds : float
        Time of a step under the assumption.
    hours : float
        Time of all steps.
    audio_hours : float
        Audio that one GPU hears.
    """

    parameters: int
    operations: float
    step_seconds: float
    hours: float
    audio_hours: float


def training_cost(model: ModelInfo) -> Cost:
    """Estimate what post-training takes.

    Arguments
    ---------
    model : ModelInfo
        A row of `lobes.models`.

    Returns
    -------
    Cost

    Example
    -------
    >>> round(training_cost(MODELS["HuBERT-Base"]).operations / 1e12, 1)
    4.5
    """
    parameters = count_parameters(model)
    seconds = model.batch_seconds
    operations = 3 * seconds / CROP * forward_operations(model.config(), parameters)
    step_seconds = operations / (PEAK * SHARE)
    return Cost(
        parameters,
        operations,
        step_seconds,
        STEPS * step_seconds / 3600,
        STEPS * seconds / 3600,
    )


def forward_operations(
    config: dict[str, Any], parameters: int, seconds: float = CROP
) -> float:
    """Operations of a forward pass over one waveform.

    Arguments
    ---------
    config : dict
        Architecture in the terms of transformers.
    parameters : int
        Of the whole encoder.
    seconds : float
        Length of the waveform.

    Returns
    -------
    float
    """
    frames, channels = round(seconds * _RATE), 1
    convolutions = weights = 0
    stack = zip(
        config["conv_dim"], config["conv_kernel"], config["conv_stride"], strict=True
    )
    for size, kernel, stride in stack:
        frames = (frames - kernel) // stride + 1
        weights += kernel * channels * size
        convolutions += 2 * kernel * channels * size * frames
        channels = size
    attention = 4 * config["num_hidden_layers"] * config["hidden_size"] * frames
    return convolutions + frames * (2 * (parameters - weights) + attention)


def cost_table() -> str:
    """The table for the README of the recipe.

    Returns
    -------
    str
        Markdown.
    """
    head = (
        *("model", "parameters", "10^12 operations a step", "steps a second"),
        *("days", "audio on 8 GPUs", "days on 1 GPU for it"),
    )
    rows = [head, ("---",) + ("--:",) * (len(head) - 1)]
    for model in MODELS.values():
        if model.detector_id is not None:
            rows.append(_cells(model.name, training_cost(model)))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(name: str, cost: Cost) -> tuple[str, ...]:
    days = cost.hours / 24
    return (
        name,
        f"{cost.parameters / 1e6:.0f} M",
        f"{cost.operations / 1e12:.1f}",
        f"{1 / cost.step_seconds:.1f}",
        f"{days:.1f}",
        f"{8 * cost.audio_hours:,.0f} h",
        f"{8 * days:.0f}",
    )
