"""Making many copies, on several processes."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from data_prep.audio_info import AudioError
from data_prep.vocoders import VOCODERS, load_vocoder
from data_prep.vocoders.base import TorchVocoder, Vocoder, VocoderError
from data_prep.vocoders.making import make_copy
from data_prep.vocoders.plan import Copy
from data_prep.workers import choose_interrupt, shield_start

__all__ = ["Job", "list_devices", "make_copies"]

# Copies that wait in the queue, for each process.
_AHEAD = 8


@dataclass(frozen=True)
class Job:
    """What is the same for all copies.

    Arguments
    ---------
    vocoder : str
        Its name.
    weights : Path, optional
        The folder of its model.
    key : str, optional
        Changes with the content of that folder.
    """

    vocoder: str
    weights: Path | None = None
    key: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """Everything of the vocoder that determines a copy."""
        values = dict(VOCODERS[self.vocoder].settings)
        return {"vocoder": self.vocoder, "weights": self.key, "values": values}


def list_devices(vocoder: str, device: str, workers: int) -> list[str]:
    """The device of each process.

    Arguments
    ---------
    vocoder : str
        Name of the vocoder.
    device : str
        `cpu` for as many processes as there are workers, `cuda` for one on each GPU.
        A vocoder without torch takes the CPU in either case.
    workers : int
        Number of processes on the CPU.

    Returns
    -------
    list of str
        At least one.

    Raises
    ------
    VocoderError
        If there is no GPU, or no worker.
    """
    if workers < 1:
        raise VocoderError(f"{workers} workers: at least 1 is needed.")
    if device == "cpu" or not issubclass(VOCODERS[vocoder], TorchVocoder):
        return ["cpu"] * workers
    import torch

    if not torch.cuda.is_available():
        raise VocoderError(
            "--device cuda: torch finds no GPU here. Use --device cpu, or install a "
            "build of torch for this GPU (https://pytorch.org/get-started)."
        )
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())]


def make_copies(
    copies: Sequence[Copy], job: Job, devices: Sequence[str]
) -> Iterator[tuple[Copy, tuple[int, int, int] | AudioError]]:
    """Make copies on one process for each device; a single one is this process.

    Arguments
    ---------
    copies : list of Copy
        What to make.
    job : Job
        With which vocoder.
    devices : list of str
        From `list_devices`.

    Yields
    ------
    copy : Copy
        In the given order.
    result : tuple or AudioError
        What `make_copy` gave or raised.

    Raises
    ------
    VocoderError
        If the vocoder cannot be loaded, or a process was killed.
    """
    devices = devices[: len(copies)]
    if len(devices) < 2:
        for copy in copies:
            yield copy, _try(copy, job, devices[0])
        return
    # Forked processes would inherit threads and GPU contexts that do not work there.
    context = get_context("spawn")
    queue = context.SimpleQueue()
    for device in devices:
        queue.put(device)
    with ProcessPoolExecutor(len(devices), context, _take_device, (queue,)) as pool:
        pending: deque = deque()
        try:
            for copy in copies:
                with shield_start():
                    pending.append((copy, pool.submit(_try_here, copy, job)))
                if len(pending) >= _AHEAD * len(devices):
                    done, future = pending.popleft()
                    yield done, future.result()
            for done, future in pending:
                yield done, future.result()
        except BrokenProcessPool:
            raise VocoderError(
                "a worker process was killed, most often for lack of memory. Run the "
                "same command with fewer --workers; finished copies are kept."
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


_device = "cpu"


def _take_device(queue) -> None:
    """Choose the device of this worker process."""
    global _device
    choose_interrupt(finish=True)
    _device = queue.get()


def _try_here(copy: Copy, job: Job) -> tuple[int, int, int] | AudioError:
    return _try(copy, job, _device)


def _try(copy: Copy, job: Job, device: str) -> tuple[int, int, int] | AudioError:
    """Make one copy, or say why not."""
    try:
        return make_copy(copy, _vocoder(job, device))
    except AudioError as error:
        return error


@functools.lru_cache(maxsize=1)
def _vocoder(job: Job, device: str) -> Vocoder:
    """The vocoder of this process, loaded once."""
    return load_vocoder(job.vocoder, job.weights, device)
