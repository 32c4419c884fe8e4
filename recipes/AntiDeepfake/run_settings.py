"""What the result of a training run depends on, as values that can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from speechbrain.utils.run_opts import RunOptions

from data_prep.files import file_digest
from recipes.AntiDeepfake.arrow_cache import arrow_files
from recipes.AntiDeepfake.command import import_extra
from recipes.AntiDeepfake.sources import find_source
from recipes.AntiDeepfake.weights import WEIGHTS

__all__ = ["FREE", "RUN_OPTIONS", "run_files", "run_option", "run_settings"]


_FOLDERS = (
    *("save_folder", "output_folder"),
    *("lists_folder", "manifests_folder", "data_folder"),
)
#: Keys that may change while a run goes on, wherever they stand.
FREE = frozenset(
    (
        *_FOLDERS,
        *("number_of_epochs", "epoch_counter"),
        *("num_workers", "most_waiting", "nonfinite_patience"),
        *("precision", "gradient_checkpointing"),
        *("checkpointer", "train_logger", "tensorboard_logger"),
        *("preparation", "stage", "card"),
        # What validation says does not depend on its batches.
        "valid_loader",
        # Part of the name of the stream, which the loader of shards compares.
        "lanes",
    )
)
# Keys that name files, of which the content counts. Of the SSL model that is its
# configuration: a run that goes on has its weights from the checkpoint.
_FILES = ("train_csv", "valid_csv", "train_shards", "init_from", "ssl_source")
_SSL_CONFIG = "config.json"
#: Run options that may not change; the YAML can give them as well.
RUN_OPTIONS = (
    "grad_accumulation_factor",
    "max_grad_norm",
    "remove_vector_weight_decay",
)


def run_option(name: str, experiment: Mapping[str, Any], run_opts: RunOptions) -> Any:
    """The value of a run option that the Brain takes."""
    if name in experiment and name not in run_opts.overridden_args:
        return _plain(experiment[name])
    return run_opts[name]


def run_files(experiment: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """Names and digests of the files that keys name, by key."""
    named = {"valid_csv": _manifests(experiment["valid_csv"])}
    if experiment.get("train_shards"):
        source = experiment["train_shards"]
        shards = import_extra("recipes.AntiDeepfake.shards").open_shards(source)
        named["train_shards"] = [(source, shards.digest)]
    else:
        named["train_csv"] = _manifests(experiment["train_csv"])
    if experiment.get("init_from"):
        path = find_source(experiment["init_from"])
        weights = path / WEIGHTS if path.is_dir() else path
        # Without the file, `init_weights` will say what is missing.
        digest = file_digest(weights) if weights.is_file() else "no weights"
        named["init_from"] = [(experiment["init_from"], digest)]
    source = experiment.get("ssl_source")
    if source:
        config = Path(source) / _SSL_CONFIG
        # A hub id is known by its name.
        digest = file_digest(config) if config.is_file() else source
        named["ssl_source"] = [(source, digest)]
    return {
        key: [{"name": str(name), "digest": digest} for name, digest in named[key]]
        for key in _FILES
        if key in named
    }


def _manifests(manifests: str | list[str]) -> list[tuple[Path, str]]:
    return [(file.manifest, file.digest) for file in arrow_files(manifests)]


def run_settings(
    experiment: Mapping[str, Any], run_opts: RunOptions
) -> dict[str, object]:
    """Values by their place in the experiment; null is as if it were not there."""
    names = {id(node): f"<{key}>" for key, node in experiment.items() if _inner(node)}
    # The longest first: one may be inside another.
    places = sorted(
        (
            (experiment[key], f"<{key}>")
            for key in (*_FOLDERS, *_FILES)
            if isinstance(experiment.get(key), str)
        ),
        key=lambda place: -len(place[0]),
    )
    found: dict[str, object] = {}
    for key, node in experiment.items():
        if key in FREE or key in _FILES:
            continue
        for path, value in _leaves(key, node, names):
            if isinstance(value, str):
                value = _placed(value, places)
            if value is not None:
                found[path] = value
    options = {name: run_option(name, experiment, run_opts) for name in RUN_OPTIONS}
    return found | options


def _leaves(
    path: str, node: Any, names: Mapping[int, str]
) -> Iterator[tuple[str, object]]:
    """Values below a node with their paths; other keys' objects by their names."""
    if "." in path and id(node) in names:
        yield path, names[id(node)]
        return
    tag = getattr(node, "tag", None)
    if tag is not None and tag.value:
        text = getattr(node, "value", "")  # of a scalar
        yield path, f"{tag.value} {text}".strip()
    elif not _inner(node):
        yield path, _plain(node)
    elif isinstance(node, list) and not any(map(_composed, node)):
        yield path, list(map(_plain, node))
        return
    for key, child in _inner(node):
        if key not in FREE:
            yield from _leaves(f"{path}.{key}", child, names)


def _inner(node: Any) -> list[tuple[Any, Any]]:
    """Keys and values of a mapping or list; nothing of what is a value itself."""
    if isinstance(node, Mapping):
        return list(node.items())
    return list(enumerate(node)) if isinstance(node, list) else []


def _composed(node: Any) -> bool:
    return isinstance(node, (Mapping, list)) or hasattr(node, "tag")


def _plain(value: Any) -> object:
    """A value of YAML as JSON keeps it."""
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return None if value is None else str(value)


def _placed(text: str, places: list[tuple[str, str]]) -> str | None:
    """A path by the key of the folder that it is in; nothing if that says it all."""
    for place, name in places:
        if text == place:
            return None
        if text.startswith(f"{place}/"):
            return name + text[len(place) :]
    return text
