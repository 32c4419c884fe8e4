"""What an evaluation is given: test sets, a detector, how to join scores of pieces.

What can be wrong with any of it is found before anything is scored.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.manifest import ManifestError
from data_prep.shards.layout import INDEX
from recipes.AntiDeepfake.aggregates import AGGREGATES
from recipes.AntiDeepfake.arrow_rows import ArrowRows
from recipes.AntiDeepfake.manifests import manifest_rows
from recipes.AntiDeepfake.shard_reader import Shards, open_shards
from recipes.AntiDeepfake.shard_scoring import require_same_number
from recipes.AntiDeepfake.usage import UsageError

__all__ = [
    "OpenedSet",
    "named_sets",
    "named_shards",
    "open_sets",
    "require_aggregate",
    "require_detector",
    "require_writable",
]


@dataclass(frozen=True)
class OpenedSet:
    """A test set that is ready to be scored.

    Arguments
    ---------
    name : str
        That of its manifest, without the extension.
    rows : ArrowRows
        Its trials.
    shards : Shards or None
        Its audio, if that is to come from shards.
    """

    name: str
    rows: ArrowRows
    shards: Shards | None = None


def named_sets(manifests: str | Path | Sequence[str | Path]) -> dict[str, Path]:
    """Test sets by name, which is the name of the manifest without its extension.

    Raises
    ------
    ManifestError
        If two have the same name, or there is none.

    Example
    -------
    >>> list(named_sets(["lists/add2023_test.csv", "lists/in_the_wild_test.csv"]))
    ['add2023_test', 'in_the_wild_test']
    """
    paths = [manifests] if isinstance(manifests, (str, Path)) else list(manifests or [])
    paths = [Path(path) for path in paths]
    counts = Counter(path.stem for path in paths)
    if not paths or max(counts.values()) > 1:
        raise ManifestError(
            f"test_csv is {', '.join(map(str, paths)) or 'empty'}: give one or several "
            "manifests with different names, because results are stored under them."
        )
    return {path.stem: path for path in paths}


def named_shards(
    test_shards: str | Path | Mapping[str, str] | None, names: Iterable[str]
) -> dict[str, str]:
    """Where the shards of test sets are, by the names of the sets.

    Arguments
    ---------
    test_shards : str, Path, dict or None
        A folder, or a URL, that holds one folder of shards for each set, of its name;
        or, by name, folders of shards or URLs of their indices, and sets that it
        leaves out are scored from files; or None, and all are.
    names : iterable of str
        The sets.

    Raises
    ------
    ManifestError
        If there is no set of a name, or the folder is one of shards itself.

    Example
    -------
    >>> named_shards("https://host/shards/", ["in_the_wild_test"])
    {'in_the_wild_test': 'https://host/shards/in_the_wild_test/index.json'}
    """
    names = list(names)
    if not test_shards:
        return {}
    if isinstance(test_shards, Mapping):
        for name in test_shards:
            if name not in names:
                raise ManifestError(
                    f"test_shards has {name!r}, but the test sets are "
                    f"{', '.join(names)}. Give names of manifests in test_csv, without "
                    "their extension."
                )
        return {name: str(source) for name, source in test_shards.items() if source}
    if (Path(test_shards) / INDEX).is_file():
        raise ManifestError(
            f"test_shards is {test_shards}, which holds the shards of one set. Give "
            "the folder that holds a folder of shards for each set, or say of which "
            f"set they are: --test_shards '{{{names[0]}: {test_shards}}}'."
        )
    return {name: f"{str(test_shards).rstrip('/')}/{name}/{INDEX}" for name in names}


def open_sets(
    test_csv: str | Path | Sequence[str | Path],
    test_shards: str | Path | Mapping[str, str] | None = None,
    preparation: str = "",
) -> list[OpenedSet]:
    """Open all test sets, so that what is wrong with the last one is known at once.

    Arguments
    ---------
    test_csv : str, Path or list of them
        As for `named_sets`.
    test_shards : str, Path, dict or None
        As for `named_shards`.
    preparation : str
        How the manifests are made, to be told if one is missing.

    Returns
    -------
    list of OpenedSet

    Raises
    ------
    ManifestError
        If a manifest, or the index of its shards, cannot be used.
    """
    manifests = named_sets(test_csv)
    places = named_shards(test_shards, manifests)
    missing = [str(path) for path in manifests.values() if not path.is_file()]
    if missing:
        raise ManifestError(
            f"test_csv: no such file: {', '.join(missing)}. Make it (`python -m "
            "data_prep --help`), or give others as --test_csv."
            + _all_steps(preparation)
        )
    sets = []
    for name, path in manifests.items():
        rows = manifest_rows(path)
        shards = open_shards(places[name]) if name in places else None
        if shards is not None:
            require_same_number(rows, shards)
        sets.append(OpenedSet(name, rows, shards))
    return sets


def require_aggregate(name: str) -> None:
    """Raise UsageError if scores of pieces cannot be joined by a rule of that name."""
    if name not in AGGREGATES:
        raise UsageError(f"aggregate is {name!r}; give one of {', '.join(AGGREGATES)}.")


def require_detector(source: str | Path, preparation: str = "") -> None:
    """Raise UsageError if a detector on this machine is meant that is not there.

    Arguments
    ---------
    source : str or Path
        What the user gave. `name/name` may be on the hub, unless it is in `results`.
    preparation : str
        How the detector is made.

    Example
    -------
    >>> require_detector("nii-yamagishilab/mms-300m-anti-deepfake")
    """
    name = str(source)
    local = name.startswith((".", "/", "~", "results/")) or name.count("/") != 1
    if local and not Path(source).exists():
        hint = _all_steps(preparation) or (
            " `python train.py hparams/posttrain_mini.yaml` makes one in "
            "results/mini/posttrain/seed0/detector, and `python convert.py HUB_ID "
            "FOLDER` of published weights."
        )
        raise UsageError(
            f"{source}: there is no such detector. train.py leaves one in the folder "
            "`detector` of its output folder. If one on the hub is meant, its name is "
            f"AUTHOR/NAME.{hint}"
        )


def _all_steps(preparation: str) -> str:
    """How an experiment says that all is prepared, to end a message with."""
    text = f"\nTo prepare all of it, from the beginning:\n{preparation.rstrip()}"
    return text if preparation else ""


def require_writable(folder: str | Path, option: str) -> None:
    """Make a folder, and see that files can be made there.

    Arguments
    ---------
    folder : str or Path
        The folder.
    option : str
        How the user named what goes there, for the message.

    Raises
    ------
    UsageError
        If files cannot be made there.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{option}: cannot be written ({error.strerror}). Nothing was scored; "
            "give a place where you may write."
        ) from None
