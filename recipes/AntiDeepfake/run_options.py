"""Whether this machine can run as the command line says, before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from speechbrain.utils.distributed import infer_device

from recipes.AntiDeepfake.usage import UsageError

__all__ = ["check_run_options"]

_BACKENDS = ("nccl", "gloo", "mpi")
_ON_CPU = "--distributed_backend gloo --device cpu"


def check_run_options(options: Mapping[str, object], training: bool = False) -> None:
    """Raise if the device, the precision or the processes cannot be had.

    Arguments
    ---------
    options : dict
        Options of SpeechBrain: `device`, `precision`, `eval_precision`,
        `distributed_backend`; what is not there has its default.
    training : bool
        Whether gradients are to be computed.

    Raises
    ------
    UsageError
        Says what is wrong and what to give instead.

    Example
    -------
    >>> check_run_options({"device": "cpu", "precision": "bf16"}, training=True)
    >>> check_run_options({"device": "cpu", "precision": "fp16"}, training=True)
    Traceback (most recent call last):
    ...
    recipes.AntiDeepfake.usage.UsageError: precision is fp16 and the device cpu, ...
    """
    _check_processes(options.get("distributed_backend") or "nccl")
    device = str(options.get("device") or infer_device())
    _check_device(device)
    if not training or torch.device(device).type != "cpu":
        return
    for key in ("precision", "eval_precision"):
        if options.get(key) == "fp16":
            raise UsageError(
                f"{key} is fp16 and the device {device}, on which training in fp16 is "
                f"not possible. Give --{key} fp32 or bf16, or a GPU (--device cuda)."
            )


def _check_processes(backend: object) -> None:
    """Raise if `torchrun` has started processes for which there are no GPUs."""
    if backend not in _BACKENDS:
        raise UsageError(
            f"distributed_backend is {backend!r}; give one of {', '.join(_BACKENDS)}."
        )
    rank = os.environ.get("LOCAL_RANK")
    if rank is None or backend == "gloo":
        return
    gpus = torch.cuda.device_count()
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", int(rank) + 1))
    if processes > gpus:
        fewer = f"--nproc_per_node={gpus}, or " if gpus else ""
        raise UsageError(
            f"torchrun has started {processes} processes on this machine, each of "
            f"which needs a GPU of its own, and there are {gpus}. Give {fewer}"
            f"{_ON_CPU} to run on the CPU."
        )


def _check_device(name: str) -> None:
    """Raise if there is no such device."""
    gpus = torch.cuda.device_count()
    known = " or ".join(["cpu", *(f"cuda:{number}" for number in range(gpus))])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f"device is {name!r}, which PyTorch does not know. Give --device {known}."
        ) from None
    if device.type == "cuda":
        # Only counted: the first tensor on a GPU would take memory there.
        if (device.index or 0) < gpus:
            return
        reason = f"PyTorch finds {gpus} GPUs of CUDA; see `nvidia-smi`"
    else:
        try:
            torch.empty(0, device=device)
            return
        except (RuntimeError, NotImplementedError, AssertionError) as error:
            reason = str(error).strip().splitlines()[0][:80]
    raise UsageError(
        f"device is {name!r}, which is not there ({reason}). Give --device {known}."
    )
