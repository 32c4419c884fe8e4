"""Manifests of speech of your own: a folder with genuine audio, one with fakes.

A part of it is for validation, and with --test-share another for the test. Audio of one
speaker is never in two of them, nor are a recording and its fake copy: files whose
folders have the same name below the two folders go together, and of files that lie in
no folder those of the same name. With --split all of it is for one purpose.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from data_prep.corpora.base import Corpus, LayoutError, Option, Utterance
from data_prep.corpora.tree import AUDIO_SUFFIXES, Tree
from data_prep.manifest import UNKNOWN
from data_prep.options import UsageError, add_noprogressbar, add_workers
from data_prep.prepare import prepare_corpus
from data_prep.prepare_cli import INCOMPLETE, is_whole, report
from data_prep.speaker_splits import draw_splits

__all__ = ["add_arguments", "prepare_folders", "run"]

_NAMES = {None: "OwnData", "train": "OwnTrain", "valid": "OwnValid", "test": "OwnTest"}
_VALID_SHARE = 0.1
_OPTIONS = {
    "valid_share": Option(str(_VALID_SHARE), "share of the data for validation"),
    "test_share": Option("0.0", "share of the data for the test"),
    "split": Option("", "what all of the data are for"),
    "attack_folders": Option("False", "whether folders of fakes are attacks"),
}


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
    name: str | None = None,
    valid_share: float = _VALID_SHARE,
    attack_folders: bool = False,
    workers: int = 1,
    progressbar: bool = False,
    test_share: float = 0.0,
    split: str | None = None,
) -> tuple[dict, Path]:
    """Write the manifests of two folders: `<out>/<name>/<name>_{train,valid,test}.csv`.

    Arguments
    ---------
    real, fake : str or Path
        The folders; all audio below them is taken.
    out : str or Path
        Where to write.
    name : str, optional
        What the corpus is called; by default `OwnData`, with a split `OwnTrain`,
        `OwnValid` or `OwnTest`: manifests replace all those of the same name.
    valid_share : float
        How much of each class is for validation, about; 0 to 1, both excluded.
    attack_folders : bool
        Whether the folders in `fake` are attacks, and speakers the folders in those.
    workers : int
        Processes that read headers.
    progressbar : bool
        Whether to show one, if standard error is a terminal.
    test_share : float
        How much of each class is for the test, about. 0: nothing, and no manifest of a
        test. It comes from what would be for training; validation stays as it is.
    split : str, optional
        `train`, `valid` or `test`: what everything is for, so that nothing is divided
        and the shares do not matter.

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
    name = _NAMES[split] if name is None else name
    corpus_folder, inside = _places(Path(real), Path(fake))
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", name, re.ASCII):
        raise LayoutError(f"name {name!r}: use letters, digits, '_', '-', '+' and '.'.")

    def utterances(tree: Tree) -> Iterator[Utterance]:
        files = [
            file
            for label in ("real", "fake")
            for file in _files(tree, label, inside[label])
        ]
        _require_both(files)
        pairs = [(file.label, file.group) for file in files]
        splits = {} if split else draw_splits(pairs, valid_share, test_share)
        for file in files:
            yield Utterance(*file[:5], split=split or splits[file.group])

    options = {"split": split} if split else {"valid_share": str(valid_share)}
    if test_share and not split:
        options["test_share"] = str(test_share)
    options["attack_folders"] = str(attack_folders)
    summary = prepare_corpus(
        _corpus(name, corpus_folder.name, utterances, options),
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


def _corpus(name: str, folder: str, utterances, options: Mapping) -> Corpus:
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
        options={option: _OPTIONS[option] for option in options},
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


def _require_both(files: Sequence[_File]) -> None:
    found = {file.label for file in files}
    for label in ("real", "fake"):
        if label not in found:
            raise LayoutError(
                f"no {label} audio: nothing below the folder of --{label} is called "
                f"{', '.join(sorted(AUDIO_SUFFIXES))}. Name the folder that has it."
            )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the options of `python -m data_prep folders`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = __doc__
    parser.epilog = (
        "examples:\n"
        "  python -m data_prep folders --real /data/calls/real --fake /data/calls/fake "
        "--test-share 0.2 --out manifests\n"
        "  python train.py hparams/posttrain_own_data.yaml --data_folder /data\n"
        "  python evaluate.py hparams/eval_own_data.yaml --data_folder /data\n"
        "  python -m data_prep folders --real /data/test/real --fake /data/test/fake "
        "--split test --out manifests\n\n"
        "Layouts: real/<speaker>/<name>.wav or real/<name>.wav, the same in fake, and "
        "with\n--attack-folders fake/<attack>/<speaker>/<name>.wav. $ROOT in the "
        "manifests is the folder\nabove the one that has both in it (here /data)."
    )
    add = parser.add_argument
    add("--real", required=True, metavar="DIR", help="folder with genuine speech")
    add("--fake", required=True, metavar="DIR", help="folder with fakes")
    add("--out", required=True, metavar="DIR", help="folder for the manifests")
    add(
        "--name",
        help=f"what to call the corpus (default: {_NAMES[None]}, with --split "
        f"{_NAMES['train']}, ...); manifests of the same name are replaced",
    )
    add(
        "--valid-share",
        type=_share,
        metavar="SHARE",
        help=f"how much is for validation, between 0 and 1 (default: {_VALID_SHARE})",
    )
    add(
        "--test-share",
        type=_share,
        default=0.0,
        metavar="SHARE",
        help="how much is for the test, between 0 and 1 (default: nothing)",
    )
    add(
        "--split",
        choices=("train", "valid", "test"),
        help="take all of it for this, and divide nothing",
    )
    add("--attack-folders", action="store_true", help="folders of fakes are attacks")
    add_workers(parser, "processes that read headers")
    add_noprogressbar(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the manifests and report; 1 if anything was skipped."""
    valid_share = _valid_share(arguments)
    summary, data_folder = prepare_folders(
        arguments.real,
        arguments.fake,
        arguments.out,
        arguments.name,
        valid_share,
        arguments.attack_folders,
        arguments.workers,
        not arguments.noprogressbar,
        test_share=arguments.test_share,
        split=arguments.split,
    )
    name = summary["corpus"]
    folder = Path(arguments.out) / name
    print(report(summary, folder))
    lists = {
        split: f"--{split}_csv {shlex.quote(str(folder / f'{name}_{split}.csv'))}"
        for split in summary["splits"]
    }
    place = f"--data_folder {shlex.quote(str(data_folder))}"
    if {"train", "valid"} <= lists.keys():
        options = f"{place} {lists['train']} {lists['valid']}"
        print(f"next: python train.py hparams/posttrain_own_data.yaml {options}")
    if "test" in lists:
        options = f"{place} {lists['test']}"
        print(f"to test: python evaluate.py hparams/eval_own_data.yaml {options}")
    if is_whole(summary):
        return 0
    print(f"error: {name}: {INCOMPLETE}", file=sys.stderr)
    return 1


def _valid_share(arguments: argparse.Namespace) -> float:
    """The share for validation, if the options go together."""
    valid, test = arguments.valid_share, arguments.test_share
    if arguments.split and (valid or test):
        raise UsageError(
            f"--split {arguments.split} takes all of it, --valid-share and "
            "--test-share divide it. Give one or the other."
        )
    valid = valid or _VALID_SHARE
    if valid + test >= 1:
        raise UsageError(
            f"--valid-share {valid} and --test-share {test} leave nothing for "
            "training. Give shares whose sum is below 1."
        )
    return valid


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
