"""What is in a corpus folder: nothing, a part of a build, or a complete corpus."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from data_prep.files import atomic_path
from data_prep.mini.errors import MiniError
from data_prep.mini.plan import Plan

__all__ = [
    "is_complete",
    "open_work_folder",
    "remove_leftovers",
    "remove_work_folder",
    "request_key",
    "write_stamp",
]

STAMP = ".complete.json"
WORK = ".work"
_OUTPUTS = ("audio", "manifests", "ssl")


def request_key(plan: Plan, seed: int, versions: dict[str, str]) -> str:
    """One short text for everything that determines the audio."""
    content = f"{plan!r}|{seed}|{sorted(versions.items())!r}"
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def is_complete(out: Path, key: str) -> bool:
    """Whether the folder holds the whole corpus of this key, undamaged."""
    try:
        stamp = json.loads((out / STAMP).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    # Training adds files of its own to the manifests.
    return stamp["key"] == key and stamp["files"].items() <= _digests(out).items()


def write_stamp(out: Path, key: str) -> None:
    """Declare the corpus complete."""
    with atomic_path(out / STAMP) as temporary:
        content = {"key": key, "files": _digests(out)}
        temporary.write_text(json.dumps(content, indent=0) + "\n", "utf-8")


def remove_work_folder(out: Path) -> None:
    """Remove the results of steps, once the corpus is complete."""
    shutil.rmtree(out / WORK, ignore_errors=True)


def open_work_folder(out: Path, key: str) -> Path:
    """The folder for results of finished steps; removes those of another key.

    Raises
    ------
    MiniError
        If the folder has content that is not a mini corpus.
    """
    work = out / WORK / key
    ours = (out / WORK).exists() or (out / STAMP).exists()
    if not ours and out.exists() and any(out.iterdir()):
        raise MiniError(
            f"{out}: has files, but they are no mini corpus, and the build removes "
            "outdated audio. Choose an empty folder: --out DIR"
        )
    if not work.exists():
        # Another plan, seed or version, or a damaged corpus: start afresh. The
        # folder comes first, because it marks the rest as ours if we are killed.
        (out / WORK).mkdir(parents=True, exist_ok=True)
        for path in (out / STAMP, *(out / name for name in _OUTPUTS)):
            _remove(path)
        for path in (out / WORK).iterdir():
            _remove(path)
        work.mkdir()
    return work


def remove_leftovers(out: Path, expected: set[str]) -> None:
    """Remove files of killed writers from the audio folder."""
    for path in sorted((out / "audio").rglob("*.flac")):
        if path.relative_to(out).as_posix() not in expected:
            path.unlink()


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digests(out: Path) -> dict[str, str]:
    """SHA-256 of every file of the corpus, by path below the folder."""
    return {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in _OUTPUTS
        for path in sorted((out / name).rglob("*"))
        if path.is_file()
    }
