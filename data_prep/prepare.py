"""From a corpus on disk to its manifests: one CSV per language and split.

Everything that the corpora have in common happens here: headers, IDs, checks, files,
and the summary of what is there, what is missing and what was skipped. The parts are in
`data_prep.engine`; what is written is described in `docs/manifests.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data_prep.corpora.base import Corpus, LayoutError
from data_prep.corpora.tree import Tree
from data_prep.engine.cache import HeaderCache, path_keys
from data_prep.engine.output import OutputFolder, write_manifests
from data_prep.engine.probing import NO_FILE, Prober
from data_prep.engine.rows import RowError, RowMaker
from data_prep.engine.settings import (
    COMMON_OPTIONS,
    MODES,
    choose_options,
    find_folder,
)
from data_prep.engine.sorting import LineSorter
from data_prep.engine.summary import FORMAT, Totals, compare, listed

__all__ = [
    "COMMON_OPTIONS",
    "MODES",
    "choose_options",
    "find_folder",
    "prepare_corpus",
    "prepare_function",
]


def prepare_corpus(
    corpus: Corpus,
    data_root: str | Path,
    out: str | Path,
    mode: str = "complete",
    options: Mapping[str, str] | None = None,
    workers: int = 1,
    progressbar: bool = False,
) -> dict:
    """Write the manifests and the summary of a corpus.

    The manifests are `<out>/<corpus>/<corpus>[_<part>][_<language>][_<split>].csv`,
    sorted by ID; they replace those of an earlier run all at once at the end. Headers
    that were read stay in `<out>/<corpus>/.headers`, so that an interrupted run goes
    on, and the next one reads only what has changed. The bytes that are written depend
    on the corpus, the mode and the options alone.

    Arguments
    ---------
    corpus : Corpus
        Which one.
    data_root : str or Path
        What `$ROOT` stands for; the folder of the corpus is in it.
    out : str or Path
        Where to write.
    mode : str
        `complete`, or `original`: the rows that the scripts of the paper give.
    options : mapping, optional
        Values of options of the corpus and of `COMMON_OPTIONS`.
    workers : int
        Processes that read headers; 1 stays in this one. They are spawned: a script
        that asks for more has to protect its main code by `if __name__ ==
        "__main__":`.
    progressbar : bool
        Whether to show one, if standard error is a terminal.

    Returns
    -------
    dict
        The content of `<out>/<corpus>/summary.json`.

    Raises
    ------
    LayoutError
        If the corpus is absent or not as its module knows it, two rows have the same
        ID, or the mode or an option does not exist. Nothing is replaced then.
    """
    chosen = choose_options(corpus, options or {})
    if mode not in MODES:
        raise LayoutError(f"mode {mode!r} does not exist; known: {', '.join(MODES)}.")
    folder = find_folder(corpus, data_root)
    tree = Tree(Path(data_root) / folder, mode, chosen)
    output = OutputFolder(Path(out) / corpus.name)
    cache = HeaderCache(output.path / ".headers")
    try:
        run = _Run(corpus, tree, folder, Prober(str(tree.root), cache, workers))
        manifests = run.collect(LineSorter(output.unfinished), progressbar)
        summary = run.summary(manifests)
        cache.finish()
        output.commit(summary, (name for name, _, _ in manifests))
    finally:
        cache.flush()
        output.close()
    return summary


class _Run:
    """One pass over a corpus, and what it finds."""

    def __init__(self, corpus: Corpus, tree: Tree, folder: str, prober: Prober):
        self.corpus = corpus
        self.tree = tree
        self.folder = folder
        self.prober = prober
        self.maker = RowMaker(corpus, folder, float(tree.options["min_duration"]))
        self.totals = Totals()
        self.skipped: list[tuple[str, str]] = []
        self.missing: list[tuple[str, str]] = []

    def collect(
        self, sorter: LineSorter, progressbar: bool
    ) -> list[tuple[str, int, str]]:
        """Make all rows and write the manifests; give their names, rows, hashes."""
        # `disable=None` leaves the bar out where there is no terminal.
        off = None if progressbar else True
        chunks = self.prober.run(self.corpus.utterances(self.tree))
        with tqdm(desc=self.corpus.name, unit=" rows", disable=off) as bar:
            for pairs in chunks:
                for utterance, audio in pairs:
                    self._take(utterance, audio, sorter)
                bar.update(len(pairs))
        if not (self.maker.groups or self._problems()):
            raise LayoutError(
                f"{self.tree.root}: no audio of {self.corpus.name} in it. Unpack the "
                f"corpus as its layout says:\n{self.corpus.layout}"
            )
        groups = dict(zip(self.maker.groups, self.maker.names(), strict=True))
        return write_manifests(
            sorter.folder, sorter.sorted(), groups, self.maker.with_pieces
        )

    def _take(self, utterance, audio, sorter: LineSorter) -> None:
        """Turn an utterance into a row, or note why not."""
        if audio.facts is None:
            if audio.problem == NO_FILE:
                name = f"{self.corpus.prefix}-{utterance.key}"
                self.missing.append((audio.path, f"{NO_FILE}, for the ID {name}"))
            else:
                self.skipped.append((audio.path, audio.problem))
            return
        try:
            record = self.maker.make(utterance, audio.facts)
        except RowError as error:
            self.skipped.append((audio.path, str(error)))
            return
        sorter.add(record.text)
        self.totals.add(record.group, record.label, record.rate, record.frames)

    def _problems(self) -> list:
        return [*self.skipped, *self.missing, *self.tree.skipped, *self.tree.left_out]

    def summary(self, manifests: list[tuple[str, int, str]]) -> dict:
        """The content of `summary.json`."""
        corpus, tree, groups = self.corpus, self.tree, self.maker.groups
        total = self.totals.of(groups.values())
        splits = self.totals.by(groups, "split")
        unlisted = self._unlisted()
        return {
            "format": FORMAT,
            "corpus": corpus.name,
            "key": corpus.key,
            "mode": tree.mode,
            "options": tree.options,
            "folder": self.folder,
            **total,
            "languages": self.totals.by(groups, "language"),
            "splits": splits,
            "manifests": sorted(
                (
                    {
                        "file": name,
                        "rows": rows,
                        "hours": self.totals.of([number])["hours"],
                        "sha256": digest,
                    }
                    for number, (name, rows, digest) in enumerate(manifests)
                ),
                key=lambda manifest: manifest["file"],
            ),
            "published": compare(corpus, total, splits),
            "skipped": listed([*self.skipped, *tree.skipped]),
            "missing": listed(self.missing),
            "unlisted": {"count": len(unlisted), "files": unlisted},
            "left_out": listed(tree.left_out),
            "deviations": list(corpus.deviations),
        }

    def _unlisted(self) -> list[str]:
        """Audio files in covered folders that no utterance has, and no skip."""
        tree = self.tree
        folders = [name for name in dict.fromkeys(tree.covered) if tree.exists(name)]
        if not folders:
            return []
        noted = {entry.what for entry in (*tree.skipped, *tree.left_out)}
        known = np.sort(np.concatenate([*self.prober.keys, path_keys(sorted(noted))]))
        found: set[str] = set()
        for folder in folders:
            files = (file.path for file in tree.files(folder))
            while paths := list(islice(files, 1 << 14)):
                keys = path_keys(paths)
                places = np.searchsorted(known, keys)
                places[places == len(known)] = 0
                new = (
                    np.flatnonzero(known[places] != keys)
                    if len(known)
                    else range(len(paths))
                )
                found.update(paths[index] for index in new)
        return [what["what"] for what in listed((path, "") for path in found)]


def prepare_function(corpus: Corpus) -> Callable[..., dict | None]:
    """Make the function `prepare_<corpus>`, in the manner of SpeechBrain's recipes.

    Arguments
    ---------
    corpus : Corpus
        Which one.

    Returns
    -------
    callable
        `prepare(data_folder, save_folder, skip_prep=False, mode="complete",
        workers=1, progressbar=True, **options)`, for `run_on_main` too.
    """

    def prepare(
        data_folder: str | Path,
        save_folder: str | Path,
        skip_prep: bool = False,
        mode: str = "complete",
        workers: int = 1,
        progressbar: bool = True,
        **options: str,
    ) -> dict | None:
        if skip_prep:
            return None
        return prepare_corpus(
            corpus, data_folder, save_folder, mode, options, workers, progressbar
        )

    prepare.__name__ = prepare.__qualname__ = f"prepare_{corpus.key}"
    prepare.__module__ = f"data_prep.corpora.{corpus.key}"
    prepare.__doc__ = _FUNCTION.format(
        name=corpus.name,
        key=corpus.key,
        folders=" or ".join(f"`{folder}`" for folder in corpus.folders),
        options=", ".join(f"`{name}`" for name in COMMON_OPTIONS | corpus.options),
    )
    return prepare


_FUNCTION = """Write the manifests of {name}.

Arguments
---------
data_folder : str or Path
    What `$ROOT` stands for; it has the folder {folders} in it.
save_folder : str or Path
    The manifests are written to `<save_folder>/{name}`.
skip_prep : bool
    Do nothing.
mode : str
    `complete`, or `original`: the rows that the scripts of the paper give.
workers : int
    Processes that read headers; 1 stays in this one.
progressbar : bool
    Whether to show one, if standard error is a terminal.
**options : str
    {options}; see `python -m data_prep list {key} --layout`.

Returns
-------
dict or None
    The content of `summary.json`; None if `skip_prep`.

Raises
------
LayoutError
    If the corpus is absent or not as its module knows it.

Example
-------
from speechbrain.utils.distributed import run_on_main

run_on_main(prepare_{key}, kwargs={{"data_folder": data, "save_folder": out}})
"""
