"""The training data of an experiment, from files or from shards."""

from __future__ import annotations

from recipes.AntiDeepfake.command import import_extra
from recipes.AntiDeepfake.dataio import make_dataset
from recipes.AntiDeepfake.manifests import read_trials
from recipes.AntiDeepfake.sampling import training_loader

__all__ = ["make_training_loader"]


def make_training_loader(hparams: dict):
    """Make the loader of the training data: crops, augmentation, batches by length.

    Arguments
    ---------
    hparams : dict
        An experiment: `train_csv` and `data_folder`, or `train_shards` (a folder that
        `python -m data_prep shard` made, or the URL of its index); `crop`, `seed` and,
        if it is there, `rawboost`; and the arguments in `train_loader`.

    Returns
    -------
    ResumableLoopedLoader or ResumableShardLoader
        For `Brain.fit`; its position belongs in a checkpoint.
    """
    changes = {
        "crop": hparams["crop"],
        "augmentation": getattr(hparams.get("rawboost"), "augment", None),
        "seed": hparams["seed"],
    }
    folder = hparams.get("train_shards")
    if folder:
        shards = import_extra("recipes.AntiDeepfake.shards")
        stored = shards.open_shards(folder)
        dataset = shards.make_shard_dataset(stored, **changes)
        return shards.shard_training_loader(dataset, **hparams["train_loader"])
    rows = read_trials(hparams["train_csv"])
    dataset = make_dataset(rows, hparams["data_folder"], **changes)
    return training_loader(dataset, **hparams["train_loader"])
