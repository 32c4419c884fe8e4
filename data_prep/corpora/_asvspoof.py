"""What the corpora of the ASVspoof challenges have in common: words of their keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from data_prep.corpora.base import LayoutError, Option, Utterance
from data_prep.corpora.tree import KeyRow, Tree
from data_prep.manifest import UNKNOWN

__all__ = ["LABELS", "TRIALS", "attack_of", "key_file", "trials_2021"]

#: What the words of a key stand for.
LABELS = {"bonafide": "real", "spoof": "fake"}

#: The option of both corpora of 2021.
TRIALS = Option(
    "all",
    "all trials, as the paper, or only the subset `eval`, on which results are "
    "usually reported (without `progress` and the trimmed trials, `hidden`)",
    ("all", "eval"),
)


def attack_of(row: KeyRow, column: str = "attack") -> str:
    """The attack in a key row; `-` for genuine speech, whatever stands there."""
    return UNKNOWN if row["key"] == "bonafide" else row[column]


def key_file(tree: Tree, *names: str) -> str:
    """The first of some key files that exists, relative to the corpus.

    Raises
    ------
    LayoutError
        If none does.
    """
    for name in names:
        if tree.exists(name):
            return name
    raise LayoutError(
        f"{tree.root}: no key file {' or '.join(names)}. Without it there are no "
        "labels: it comes in an archive of its own, unpack that as well."
    )


def trials_2021(
    tree: Tree,
    track: str,
    columns: Sequence[str],
    language: Callable[[KeyRow], str],
) -> Iterator[Utterance]:
    """Yield the trials of a track of ASVspoof 2021.

    Arguments
    ---------
    tree : Tree
        The corpus; its option `trials` says which.
    track : str
        `LA` or `DF`.
    columns : list of str
        Of its key file; among them speaker, trial, attack, key and subset.
    language : callable
        From a key row to the language of the trial.

    Yields
    ------
    Utterance
    """
    whole = tree.options["trials"] == "all"
    used = {"eval": True, "progress": whole, "hidden": whole}
    archive = f"ASVspoof2021_{track}_eval"
    folder = tree.folder(f"{archive}/flac", "flac")
    key = f"keys/{track}/CM/trial_metadata.txt"
    package = f"{track}-keys-full/{key}"
    key = key_file(tree, f"ASVspoof2021-{track}.txt", key, package)
    if whole:
        tree.cover(folder)
    left_out: Counter[str] = Counter()
    for row in tree.table(key, columns):
        if not row.lookup("subset", used):
            left_out[row["subset"]] += 1
            continue
        yield Utterance(
            f"{folder}/{row['trial']}.flac",
            row.lookup("key", LABELS),
            key=row["trial"],
            attack=attack_of(row),
            speaker=row["speaker"],
            split="test",
            language=language(row),
        )
    for subset, trials in sorted(left_out.items()):
        tree.leave_out(f"subset {subset}", f"{trials} trials; option trials is eval")
