"""Checkpoints that are whole or not there, also after a kill while saving."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import yaml
from speechbrain.utils.checkpoints import METAFNAME, PARAMFILE_EXT, Checkpointer
from speechbrain.utils.distributed import (
    ddp_barrier,
    if_main_process,
    main_process_only,
)

__all__ = ["AtomicCheckpointer"]

_FILES = "files"


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, safe against a kill at any moment.

    A folder counts as a checkpoint when it has the file `CKPT.yaml`, which
    SpeechBrain writes before the weights, and deletes in no certain order. Here it
    is written last, and it lists the files that belong to it. Whatever a kill has
    left behind is cleared away at the next start.

    Arguments are those of `speechbrain.utils.checkpoints.Checkpointer`.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._remove_partial()

    def save_checkpoint(self, meta=None, *args, **kwargs):
        """Save as the parent does; only at the end is the folder a checkpoint."""
        files = sorted(name + PARAMFILE_EXT for name in self.recoverables)
        meta = {**(meta or {}), _FILES: files}
        checkpoint = super().save_checkpoint(meta, *args, **kwargs)
        ddp_barrier()
        if if_main_process():
            metafile = checkpoint.path / METAFNAME
            os.replace(_unfinished(metafile), metafile)
        ddp_barrier()
        return checkpoint

    def _save_checkpoint_metafile(self, fpath, *args, **kwargs):
        return super()._save_checkpoint_metafile(_unfinished(fpath), *args, **kwargs)

    @main_process_only
    def _remove_partial(self):
        for folder in Path(self.checkpoints_dir).glob("CKPT*"):
            if folder.is_dir() and not _is_whole(folder):
                shutil.rmtree(folder)


def _unfinished(metafile: Path) -> Path:
    """The name of a metafile while its checkpoint is being written."""
    return metafile.with_name(f"unfinished-{metafile.name}")


def _is_whole(folder: Path) -> bool:
    """Whether all the files that a checkpoint's metafile lists are there."""
    metafile = folder / METAFNAME
    if not metafile.exists():
        return False
    meta = yaml.safe_load(metafile.read_text(encoding="utf-8"))
    return all((folder / name).exists() for name in meta.get(_FILES, ()))
