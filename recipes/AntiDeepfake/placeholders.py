"""What an experiment cannot know and its user has to give: values `!PLACEHOLDER`."""

from __future__ import annotations

from pathlib import Path

from ruamel.yaml import YAML

from recipes.AntiDeepfake.experiment import open_experiment

__all__ = ["missing_values"]


def missing_values(path: str | Path, overrides: str = "") -> str:
    """Say what is still to be given, and how; all of it at once.

    Arguments
    ---------
    path : str or Path
        The experiment file.
    overrides : str
        YAML text of the values given on the command line.

    Returns
    -------
    str
        Empty if nothing is missing.
    """
    tree = YAML().load(open_experiment(path))
    given = YAML().load(overrides) or {}
    missing = [
        key
        for key, value in tree.items()
        if key not in given and _tag(value) == "!PLACEHOLDER"
    ]
    if not missing:
        return ""
    options = " ".join(f"--{key} VALUE" for key in missing)
    return (
        f"{path}: not given: {', '.join(map(repr, missing))}. Give `{options}` or "
        "write it in the YAML, where a comment says what it is."
    )


def _tag(value: object) -> str | None:
    return getattr(getattr(value, "tag", None), "value", None)
