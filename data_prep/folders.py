"""Manifests of speech of your own: a folder with genuine audio, one with fakes.

A part of it is for validation. Audio of one speaker is never on both sides, nor are a
recording and its fake copy: files whose folders have the same name below the two
folders go together, and of files that lie in no folder those of the same name.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from data_prep.corpora.base import Corpus, LayoutError, Option, Utterance
from data_prep.corpora.tree import AUDIO_SUFFIXES, Tree
from data_prep.manifest import UNKNOWN
from data_prep.options import add_noprogressbar, add_workers
from data_prep.prepare import prepare_corpus
from data_prep.prepare_cli import INCOMPLETE, is_whole, report

__all__ = ["add_arguments", "prepare_folders", "run"]

NAME = "OwnData"
_VALID_SHARE = "0.1"


class _File(NamedTuple):
    """An audio file in one of the two folders."""

    path: str
    label: str
    key: str
    attack: str
    speaker: str
    group: str


def prepare_folders(
    real: str | Path,
    fake: str | Path,
    out: str | Path,
    name: str = NAME,
    valid_share: float = float(_VALID_SHARE),
    attack_folders: bool = False,
    workers: int = 1,
    progressbar: bool = False,
) -> tuple[dict, Path]:
    """Write the manifests of two folders: `<out>/<name>/<name>_{train,valid}.csv`.

    Arguments
    ---------
    real, fake : str or Path
        The folders; all audio below them is taken.
    out : str or Path
        Where to write.
    name : str
        What the corpus is called.
    valid_share : float
        How much of each class is for validation, about; 0 to 1, both excluded.
    attack_folders : bool
        Whether the folders in `fake` are attacks, and speakers the folders in those.
    workers : int
        Processes that read headers.
    progressbar : bool
        Whether to show one, if standard error is a terminal.

    Returns
    -------
    summary : dict
        As `data_prep.prepare.prepare_corpus` gives it.
    data_folder : Path
        What `$ROOT` stands for: the folder above the one that has both in it.

    Raises
    ------
    LayoutError
        If a folder is missing, one is in the other, or they cannot be split.
    """
    corpus_folder, inside = _places(Path(real), Path(fake))
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII):
        raise LayoutError(f"name {name!r}: use letters, digits, '_', '-', '+' and '.'.")

    def utterances(tree: Tree) -> Iterator[Utterance]:
        files = [
            file
            for label in ("real", "fake")
            for file in _files(tree, label, inside[label])
        ]
        valid = _valid_groups(files, float(tree.options["valid_share"]))
        for file in files:
            split = "valid" if file.group in valid else "train"
            yield Utterance(*file[:5], split=split)

    corpus = _corpus(name, corpus_folder.name, utterances)
    options = {"valid_share": str(valid_share), "attack_folders": str(attack_folders)}
    summary = prepare_corpus(
        corpus,
        corpus_folder.parent,
        out,
        options=options,
        workers=workers,
        progressbar=progressbar,
    )
    return summary, corpus_folder.parent


def _places(real: Path, fake: Path) -> tuple[Path, dict[str, str]]:
    """The folder that has both in it, and both relative to it."""
    paths = {"real": real.absolute(), "fake": fake.absolute()}
    for label, path in paths.items():
        if not path.is_dir():
            raise LayoutError(
                f"--{label} {path}: no such folder. Name one with {label} audio in it."
            )
    resolved = {label: os.path.normpath(path) for label, path in paths.items()}
    common = Path(os.path.commonpath(resolved.values()))
    if str(common) in resolved.values():
        raise LayoutError(
            f"{real} and {fake}: one is in the other, or they are the same. Put "
            "genuine speech and fakes in folders beside one another."
        )
    if not common.name:
        raise LayoutError(
            f"{real} and {fake} have no folder in common. Put both in one folder; "
            "links will do."
        )
    return common, {
        label: Path(path).relative_to(common).as_posix()
        for label, path in resolved.items()
    }


def _corpus(name: str, folder: str, utterances) -> Corpus:
    return Corpus(
        key="folders",
        name=name,
        prefix=name,
        folders=(folder,),
        role="unused",
        licence=UNKNOWN,
        source="own data",
        citation=UNKNOWN,
        description="A folder of genuine audio and one of fakes.",
        layout="a folder with genuine audio, a folder with fakes",
        utterances=utterances,
        options={
            "valid_share": Option(_VALID_SHARE, "share of the data for validation"),
            "attack_folders": Option("False", "whether folders of fakes are attacks"),
        },
    )


def _files(tree: Tree, label: str, folder: str) -> Iterator[_File]:
    attacks = label == "fake" and tree.options["attack_folders"] == "True"
    for file in tree.files(folder):
        parts = file.parts[:-1]
        attack = UNKNOWN
        if attacks:
            if not parts:
                tree.skip(file.path, "lies in no folder that says which attack it is")
                continue
            attack, *parts = parts
        speaker = "/".join(parts)
        yield _File(
            file.path,
            label,
            key="-".join((label, *file.parts)),
            attack=attack,
            speaker=speaker or UNKNOWN,
            # A speaker and a file of the same name have nothing to do with each other.
            group=f"{speaker}/" if speaker else file.stem,
        )


def _valid_groups(files: list[_File], share: float) -> set[str]:
    """Groups for validation: in the order of their hashes, until each class has enough.

    New files move few others to the other side.
    """
    counts = Counter((file.group, file.label) for file in files)
    totals = Counter(file.label for file in files)
    order = sorted({file.group for file in files}, key=_hash)
    valid: set[str] = set()
    for label in totals:
        taken = sum(counts[group, label] for group in valid)
        for group in order:
            if taken >= share * totals[label]:
                break
            if group not in valid and counts[group, label]:
                valid.add(group)
                taken += counts[group, label]
    for label in ("real", "fake"):
        groups = [group for group, of in counts if of == label]
        if not groups:
            raise LayoutError(
                f"no {label} audio: nothing below the folder of --{label} is called "
                f"{', '.join(sorted(AUDIO_SUFFIXES))}. Name the folder that has it."
            )
        if not set(groups) - valid:
            raise LayoutError(
                f"{totals[label]} {label} files of {len(groups)} speakers (a file that "
                "lies in no folder counts as one): too few to have some for training "
                "and others for validation. Sort the files into folders by speaker, "
                "or put them in no folder at all to split file by file."
            )
    return valid


def _hash(group: str) -> bytes:
    return hashlib.blake2b(os.fsencode(group), digest_size=16).digest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep folders`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep folders --real /data/calls/real --fake /data/calls/fake "
        "--out manifests\n"
        "  python train.py hparams/posttrain_own_data.yaml --data_folder /data\n\n"
        "Layouts: real/<speaker>/<name>.wav or real/<name>.wav, the same in fake, and "
        "with\n--attack-folders fake/<attack>/<speaker>/<name>.wav. $ROOT in the "
        "manifests is the folder\nabove the one that has both in it (here /data)."
    )
    add = parser.add_argument
    add("--real", required=True, metavar="DIR", help="folder with genuine speech")
    add("--fake", required=True, metavar="DIR", help="folder with fakes")
    add("--out", required=True, metavar="DIR", help="folder for the manifests")
    add("--name", default=NAME, help="what to call the corpus (default: %(default)s)")
    add(
        "--valid-share",
        type=_share,
        default=_VALID_SHARE,
        metavar="SHARE",
        help="how much is for validation, between 0 and 1 (default: %(default)s)",
    )
    add("--attack-folders", action="store_true", help="folders of fakes are attacks")
    add_workers(parser, "processes that read headers")
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the manifests and report; 1 if anything was skipped."""
    summary, data_folder = prepare_folders(
        arguments.real,
        arguments.fake,
        arguments.out,
        arguments.name,
        arguments.valid_share,
        arguments.attack_folders,
        arguments.workers,
        not arguments.noprogressbar,
    )
    folder = Path(arguments.out) / arguments.name
    print(report(summary, folder))
    lists = [
        f"--{split}_csv {shlex.quote(str(folder / f'{arguments.name}_{split}.csv'))}"
        for split in ("train", "valid")
    ]
    print(
        "next: python train.py hparams/posttrain_own_data.yaml --data_folder "
        f"{shlex.quote(str(data_folder))} {' '.join(lists)}"
    )
    if is_whole(summary):
        return 0
    print(f"error: {arguments.name}: {INCOMPLETE}", file=sys.stderr)
    return 1


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not between 0 and 1, both excluded"
        )
    return share
