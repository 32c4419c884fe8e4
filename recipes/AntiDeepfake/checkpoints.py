"""Checkpoints that are whole or not there, also after a kill while saving."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import (
    METAFNAME,
    PARAMFILE_EXT,
    Checkpointer,
    ckpt_recency,
)
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    main_process_only,
)
from speechbrain.utils.logger import get_logger

from lobes.checkpoint_file import CheckpointError

__all__ = ["AtomicCheckpointer", "CheckpointNotSaved"]

logger = get_logger(__name__)

_FILES = "files"


class CheckpointNotSaved(CheckpointError):
    """A checkpoint cannot be written; says where, why and what to do."""


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, safe against a kill at any moment and a full disk.

    A folder counts as a checkpoint when it has the file `CKPT.yaml`, which
    SpeechBrain writes before the weights, and deletes in no certain order. Here it
    is written last, when everything else is on the disk, and it lists the files that
    belong to the checkpoint with their sizes. A folder in which one of them is
    missing or cut off is not a checkpoint: it is never loaded, and never taken for
    the newest or best one, for which others could go. Whatever a kill has left behind
    is cleared away at the next start.

    Arguments are those of `speechbrain.utils.checkpoints.Checkpointer`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._remove_partial()

    def save_checkpoint(self, meta=None, *args, **kwargs):
        """Save as the parent does; only at the end is the folder a checkpoint.

        Raises
        ------
        CheckpointNotSaved
            If the files cannot be written. What was written of them is removed; the
            older checkpoints stay.
        """
        before = set(self.checkpoints_dir.glob("CKPT*"))
        try:
            checkpoint = super().save_checkpoint(meta or {}, *args, **kwargs)
            ddp_barrier()
            if if_main_process():
                _finish(checkpoint.path, sorted(self.recoverables))
        except (OSError, RuntimeError) as error:
            if not (if_main_process() and _is_about_writing(error)):
                raise
            raise self._not_saved(error, before) from error
        ddp_barrier()
        return checkpoint

    def save_and_keep_only(
        self,
        *args,
        importance_keys: Sequence[Callable] = (),
        keep_recent: bool = True,
        **kwargs,
    ) -> None:
        """Save, then delete the least important, see the parent.

        The parent appends to the list of keys that it is given, its own default
        included, so that with every checkpoint it has more to sort by.
        """
        keys = [*importance_keys, *([ckpt_recency] if keep_recent else [])]
        super().save_and_keep_only(
            *args, importance_keys=keys, keep_recent=False, **kwargs
        )

    def _save_checkpoint_metafile(self, fpath, *args, **kwargs):
        return super()._save_checkpoint_metafile(_unfinished(fpath), *args, **kwargs)

    def _list_checkpoint_dirs(self):
        return [path for path in super()._list_checkpoint_dirs() if _is_whole(path)]

    @main_process_only
    def _remove_partial(self):
        for folder in Path(self.checkpoints_dir).glob("CKPT*"):
            if folder.is_dir() and not _is_whole(folder):
                logger.warning(
                    f"{folder}: not a whole checkpoint; it was being written or "
                    "deleted when a run ended. It is removed."
                )
                shutil.rmtree(folder)

    def _not_saved(self, error: Exception, before: set[Path]) -> CheckpointNotSaved:
        """Clear up, and tell what to do."""
        for folder in set(self.checkpoints_dir.glob("CKPT*")) - before:
            shutil.rmtree(folder, ignore_errors=True)
        free = shutil.disk_usage(self.checkpoints_dir).free
        newest = self.find_checkpoint()
        if newest is None:
            kept = "There is no older one: the run will start anew."
        else:
            kept = (
                f"The one before it, {newest.path.name} "
                f"({_size(newest.path) / 1e9:.3f} GB), is whole."
            )
        return CheckpointNotSaved(
            f"{self.checkpoints_dir}: a checkpoint could not be written "
            f"({str(error).strip().splitlines()[0]}); {free / 1e9:.3f} GB are free. "
            f"{kept} Make room (there are up to four at once: the best, the newest, "
            "the one within a nominal epoch, and the one being written), then give "
            "the same command again; it continues from the newest checkpoint."
        )


def _is_about_writing(error: Exception) -> bool:
    """Whether a file is the matter; PyTorch says so of a full disk in its own way."""
    return isinstance(error, OSError) or "inline_container" in str(error)


def _finish(folder: Path, names: Sequence[str]) -> None:
    """Bring the files to the disk and make the folder a checkpoint."""
    metafile = folder / METAFNAME
    draft = _unfinished(metafile)
    sizes = {}
    for name in names:
        file = folder / (name + PARAMFILE_EXT)
        _flush(file)
        sizes[file.name] = file.stat().st_size
    with open(draft, "a", encoding="utf-8") as stream:
        yaml.safe_dump({_FILES: sizes}, stream)
    _flush(draft)
    os.replace(draft, metafile)


def _flush(file: Path) -> None:
    """Wait until a file is on the disk, so that not even a power cut takes it away."""
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unfinished(metafile: Path) -> Path:
    """The name of a metafile while its checkpoint is being written."""
    return metafile.with_name(f"unfinished-{metafile.name}")


def _is_whole(folder: Path) -> bool:
    """Whether all the files that a checkpoint's metafile lists are there, in full."""
    try:
        meta = yaml.safe_load((folder / METAFNAME).read_text(encoding="utf-8"))
        # Not there if SpeechBrain's own checkpointer has written it.
        sizes = meta.get(_FILES, {})
        return all((folder / name).stat().st_size == sizes[name] for name in sizes)
    except (OSError, UnicodeError, yaml.YAMLError, AttributeError):
        return False


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())
