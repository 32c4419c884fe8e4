"""The description of a system that the Speech Anti-Spoofing Arena asks for.

`meta.yaml` of a submission, by the schema of the harness, version 4
(https://github.com/lab260ru/speech_spoof_bench, `submission_meta.schema.json`):

    system:
      name: My detector                # shown on the board
      slug: my-detector                # lower case, digits and hyphens; unique
      description: XLS-R 300M, mean pooling, linear; real minus fake logit, FP32
      code: https://...
      checkpoint: https://...
      params_millions: 317             # optional
      paper:                           # optional; a system without is not ranked
        arxiv_id: "2506.21090"
        url: https://arxiv.org/abs/2506.21090
        bibtex: "@article{...}"
    notes: optional
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from recipes.AntiDeepfake.trial_key import ScoreFileError

__all__ = ["SYSTEM_KEYS", "check_meta", "read_meta"]

SYSTEM_KEYS = ("name", "slug", "description", "code", "checkpoint")
_PAPER_KEYS = ("arxiv_id", "url", "bibtex")
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]*")


def read_meta(path: str | Path) -> dict:
    """Read a description; `check_meta` says whether it is complete.

    Raises
    ------
    ScoreFileError
        If it cannot be read or is no YAML mapping.
    """
    import yaml

    try:
        meta = yaml.safe_load(Path(path).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ScoreFileError(f"{path}: cannot be read ({error}).") from None
    if not isinstance(meta, dict):
        raise ScoreFileError(f"{path}: no YAML mapping. It begins with `system:`.")
    return meta


def check_meta(meta: dict) -> None:
    """Check a description as the harness will.

    Arguments
    ---------
    meta : dict
        See above.

    Raises
    ------
    ScoreFileError
        If it will not be taken; lists all that is wrong.

    Example
    -------
    >>> check_meta({"system": {"name": "A", "slug": "a b", "description": "-",
    ...     "code": "https://x.org", "checkpoint": "https://x.org"}})
    Traceback (most recent call last):
    recipes.AntiDeepfake.trial_key.ScoreFileError: meta.yaml: system.slug is 'a b'; \
give lower case letters, digits and hyphens.
    """
    complaints = _keys(meta, "", ("system",), ("notes",))
    system = meta.get("system")
    if isinstance(system, dict):
        optional = ("params_millions", "paper")
        complaints += _keys(system, "system.", SYSTEM_KEYS, optional)
        complaints += _texts(system, "system.", SYSTEM_KEYS)
        complaints += _addresses(system, "system.", ("code", "checkpoint"))
        slug = system.get("slug")
        if isinstance(slug, str) and not _SLUG.fullmatch(slug):
            complaints.append(
                f"system.slug is {slug!r}; give lower case letters, digits and hyphens"
            )
        millions = system.get("params_millions", 0)
        if isinstance(millions, bool) or not isinstance(millions, (int, float)):
            complaints.append("system.params_millions is no number")
        elif not millions >= 0:
            complaints.append("system.params_millions is below 0")
        complaints += _paper(system["paper"]) if "paper" in system else []
    elif "system" in meta:
        complaints.append("system is no mapping")
    complaints += _texts(meta, "", ("notes",))
    if complaints:
        raise ScoreFileError(f"meta.yaml: {'; '.join(complaints)}.")


def _paper(paper) -> list[str]:
    if not isinstance(paper, dict):
        return ["system.paper is no mapping"]
    place = "system.paper."
    return [
        *_keys(paper, place, _PAPER_KEYS, ()),
        *_texts(paper, place, _PAPER_KEYS),
        *_addresses(paper, place, ("url",)),
    ]


def _keys(mapping, place, required, optional) -> list[str]:
    missing = [key for key in required if key not in mapping]
    unknown = [key for key in mapping if key not in (*required, *optional)]
    return [f"{place}{key} is missing" for key in missing] + [
        f"{place}{key} is not known; known are {', '.join((*required, *optional))}"
        for key in unknown
    ]


def _texts(mapping, place, keys) -> list[str]:
    return [
        f"{place}{key} is {mapping[key]!r}; give a text (in quotes, if it is a number)"
        for key in keys
        if key in mapping and not (isinstance(mapping[key], str) and mapping[key])
    ]


def _addresses(mapping, place, keys) -> list[str]:
    found = {key: mapping[key] for key in keys if isinstance(mapping.get(key), str)}
    return [
        f"{place}{key} is {value!r}; give a whole address, https://..."
        for key, value in found.items()
        if not (urlsplit(value).scheme in ("http", "https") and urlsplit(value).netloc)
    ]
