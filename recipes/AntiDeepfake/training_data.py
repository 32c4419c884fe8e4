"""What a detector was trained on, as data that evaluation can compare with test sets.

The model card tells people; this is what `hyperparams.yaml` of a detector folder has
under `lineage`, so that it is there wherever the detector is loaded:

    training_data   corpus -> split -> rows of `real` and `fake`, and their hours
                    `real_hours`, `fake_hours`; without numbers where they are not known
    started_from    the same of the detector that it was started from, or its name

`data_prep.lineage.trained_on(detector.hparams.lineage)` makes a list of corpora of it,
`data_prep.lineage.contamination_notes` compares these with test corpora.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_prep.lineage import load_lineage
from data_prep.manifest import UNKNOWN, iter_rows

__all__ = [
    "COPY_OF",
    "RELEASED",
    "STARTED_FROM",
    "TRAINING_DATA",
    "corpora_of",
    "lineage_of",
    "public_name",
    "training_lineage",
]

# Facts of a card (`card.model_card`) that are looked up.
STARTED_FROM = "started from"
COPY_OF = "copy of"
TRAINING_DATA = "training data"
RELEASED = "training corpora of the released detectors"

_HYPERPARAMS = "hyperparams.yaml"


def training_lineage(card: Mapping[str, object]) -> dict:
    """Collect what a detector was trained on.

    Arguments
    ---------
    card : dict
        Facts for `card.model_card`: the manifests in `training data` are counted; the
        detector folder in `started from` is asked for its own lineage. That of the
        one in `copy of` is taken as it is.

    Returns
    -------
    dict
        For `hyperparams.yaml`; see the module.

    Example
    -------
    >>> training_lineage({"started from": "nii-yamagishilab/mms-1b-anti-deepfake"})
    {'started_from': 'nii-yamagishilab/mms-1b-anti-deepfake'}
    """
    if COPY_OF in card:
        found = lineage_of(str(card[COPY_OF]))
        return found if isinstance(found, dict) else {}
    lineage: dict = {}
    if card.get(TRAINING_DATA):
        lineage["training_data"] = corpora_of(card[TRAINING_DATA])
    elif RELEASED in card:
        heard: dict = {}
        for reference in load_lineage().lists["paper train"]:
            corpus, _, split = reference.partition(":")
            heard.setdefault(corpus, {})[split] = {}
        lineage["training_data"] = heard
    if card.get(STARTED_FROM):
        lineage["started_from"] = lineage_of(str(card[STARTED_FROM]))
    return lineage


def corpora_of(manifests: str | Path | Sequence[str | Path]) -> dict:
    """Count rows and hours of the corpora in manifests, one row in memory at a time.

    Arguments
    ---------
    manifests : str, Path or list of them
        Manifests; nothing is known about those that are not there.

    Returns
    -------
    dict
        Corpus (`-` if unnamed) -> split -> `real`, `fake`, `real_hours`, `fake_hours`.
    """
    paths = [manifests] if isinstance(manifests, (str, Path)) else list(manifests)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for path in map(Path, paths):
        for _, row in iter_rows(path) if path.is_file() else ():
            splits = found.setdefault(row["Corpus"] or UNKNOWN, {})
            empty = {"real": 0, "fake": 0, "real_hours": 0.0, "fake_hours": 0.0}
            counts = splits.setdefault(row["Proportion"], empty)
            counts[row["Label"]] += 1
            counts[f"{row['Label']}_hours"] += float(row["Duration"]) / 3600
    for splits in found.values():
        for counts in splits.values():
            for name in ("real_hours", "fake_hours"):
                counts[name] = round(counts[name], 4)
    return found


def lineage_of(source: str) -> dict | str:
    """The lineage of a detector folder; of anything else its name.

    Arguments
    ---------
    source : str
        A folder, or the hub id of a released detector.

    Returns
    -------
    dict or str
        For `data_prep.lineage.trained_on`.
    """
    path = Path(source) / _HYPERPARAMS
    if not path.is_file():
        return public_name(source)
    # Not loaded as YAML: that would build the detector.
    line = re.search(r"^lineage: (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return json.loads(line[1]) if line else public_name(source)


def public_name(value: object) -> str:
    """What others are told of a file or folder: not where it is on this machine.

    Arguments
    ---------
    value : object
        A path or several, a hub id, or any other fact.

    Returns
    -------
    str
        Of an absolute path what is below the working folder, else its last part;
        anything else as it is.

    Example
    -------
    >>> public_name("/home/me/detectors/mms-300m")
    'mms-300m'
    >>> public_name(["lists/train.csv", "/data/more.csv"])
    'lists/train.csv, more.csv'
    """
    if isinstance(value, (list, tuple)):
        return ", ".join(map(public_name, value))
    path = Path(str(value))
    if not path.is_absolute():
        return str(value)
    here = Path.cwd()
    return str(path.relative_to(here)) if here in path.parents else path.name
