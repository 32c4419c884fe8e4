"""What a corpus module is made of: a description and a generator of utterances.

A module of this package describes one corpus (`Corpus`) and says what is in it: its
function `utterances(tree)` yields an `Utterance` for each piece of audio. Everything
else is the engine's (`data_prep.prepare`): headers, IDs, checks, files, the summary.

Values of an utterance are computed from its own path or key row, never carried over
from the one before; what is not understood is skipped with a reason (`Tree.skip`) when
it concerns one file, or stops the run (`LayoutError`) when the corpus is not what the
module knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from data_prep.manifest import UNKNOWN

if TYPE_CHECKING:
    from data_prep.corpora.tree import Tree

__all__ = ["ROLES", "Corpus", "LayoutError", "Option", "Utterance"]

#: What the paper uses a corpus for.
ROLES = ("post-training", "evaluation", "fine-tuning", "unused", "demonstration")


class LayoutError(ValueError):
    """A corpus that is not as its module knows it; says where and what to do."""


class Utterance(NamedTuple):
    """One row of a manifest, without what the audio file itself tells.

    Arguments
    ---------
    path : str
        The audio file, relative to the folder of the corpus, with `/`.
    label : str
        `real` or `fake`.
    key : str
        Identifies the row within the corpus; the ID is `<prefix>-<key>`.
    attack : str
        Attack, generator or codec; `-` for genuine speech, always.
    speaker : str
        Speaker, `-` if unknown.
    split : str
        `train`, `valid`, `test`, or `-` if the corpus has no official split.
    language : str
        Code of `data_prep.languages`, `-` if unknown.
    start : float, optional
        Begin of the piece in seconds; without, the row is the whole file.
    stop : float, optional
        End of the piece in seconds.
    recording : str
        What a piece or a variant comes from, `-` if it is nothing but the file.
    part : str
        Part of the corpus that gets manifests of its own, such as `4s`.
    """

    path: str
    label: str
    key: str
    attack: str = UNKNOWN
    speaker: str = UNKNOWN
    split: str = UNKNOWN
    language: str = UNKNOWN
    start: float | None = None
    stop: float | None = None
    recording: str = UNKNOWN
    part: str = ""


@dataclass(frozen=True)
class Option:
    """A choice that the user of a corpus has, given as `--option name=value`.

    Arguments
    ---------
    default : str
        Its value if nothing is given.
    help : str
        What it does.
    choices : tuple of str
        Values that are allowed; none listed: any.
    """

    default: str
    help: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """A corpus: what it is, where it comes from, how it is read.

    Arguments
    ---------
    key : str
        Name of its module and on the command line.
    name : str
        Value of the column `Corpus` and name of its output folder; unique without
        regard to upper and lower case.
    prefix : str
        IDs start with it and a dash.
    folders : tuple of str
        Names under which its folder is looked for below the data root, in order.
    role : str
        One of `ROLES`.
    licence : str
        Of the audio.
    source : str
        Where to get it: URL or DOI, or how to make it.
    citation : str
        Authors, title, year, arXiv number or DOI.
    description : str
        A sentence or two: what it holds, what is odd about it.
    layout : str
        Folders and key files below its folder, as text to be printed.
    utterances : callable
        `tree -> iterator of Utterance`.
    hours : tuple of float, optional
        Genuine and fake hours that the model card of the paper states.
    rows : mapping, optional
        Published numbers of rows: from a split (or `all`) to (genuine, fake).
    options : mapping
        From the name of an option to its `Option`.
    deviations : tuple of str
        What the mode `original` does otherwise than `complete`, and where both differ
        from the scripts of the paper on purpose.
    versions : str
        Which release is meant, where there are several.
    """

    key: str
    name: str
    prefix: str
    folders: tuple[str, ...]
    role: str
    licence: str
    source: str
    citation: str
    description: str
    layout: str
    utterances: Callable[[Tree], Iterator[Utterance]]
    hours: tuple[float, float] | None = None
    rows: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    deviations: tuple[str, ...] = ()
    versions: str = ""
