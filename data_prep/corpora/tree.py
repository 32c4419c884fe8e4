"""A corpus on disk: its files in a fixed order, and its key files row by row."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from data_prep.audio_suffixes import AUDIO_SUFFIXES
from data_prep.corpora.base import LayoutError

__all__ = ["AUDIO_SUFFIXES", "AudioFile", "KeyRow", "Skipped", "Tree"]

_Value = TypeVar("_Value")


class AudioFile(NamedTuple):
    """A file of a corpus.

    Arguments
    ---------
    path : str
        Relative to the folder of the corpus, with `/`.
    parts : tuple of str
        Folders and file name, relative to the folder that was walked.
    """

    path: str
    parts: tuple[str, ...]

    @property
    def stem(self) -> str:
        """File name without its last extension."""
        return os.path.splitext(self.parts[-1])[0]

    @property
    def suffix(self) -> str:
        """Last extension, in lower case, with its dot."""
        return os.path.splitext(self.parts[-1])[1].lower()


class KeyRow(dict):
    """A row of a key file: values by column name, and where it stands."""

    def __init__(self, values: Mapping[str, str], place: str):
        super().__init__(values)
        self.place = place

    def lookup(self, column: str, known: Mapping[str, _Value]) -> _Value:
        """What the value of a column stands for.

        Raises
        ------
        LayoutError
            If the value is not known.
        """
        try:
            return known[self[column]]
        except KeyError:
            raise LayoutError(
                f"{self.place}: {column} is {self[column]!r}; known: "
                f"{', '.join(known)}. Is this the key file of the right release?"
            ) from None


class Skipped(NamedTuple):
    """A file or key row that gives no row of the manifest, and why."""

    what: str
    reason: str


class Tree:
    """A corpus on disk, as `Corpus.utterances` gets it.

    Arguments
    ---------
    root : str or Path
        The folder of the corpus.
    mode : str
        `complete`, or `original`: the rows that the scripts of the paper give.
    options : mapping
        Options of the corpus, with defaults filled in.
    """

    def __init__(
        self,
        root: str | Path,
        mode: str = "complete",
        options: Mapping[str, str] | None = None,
    ):
        self.root = Path(root)
        self.mode = mode
        self.options = dict(options or {})
        self.skipped: list[Skipped] = []
        self.left_out: list[Skipped] = []
        self.covered: list[str] = []

    @property
    def original(self) -> bool:
        """Whether the rows of the original scripts are wanted."""
        return self.mode == "original"

    def folder(self, *names: str, remedy: str = "") -> str:
        """The first of some folders that exists, relative to the corpus.

        Arguments
        ---------
        *names : str
            The folders.
        remedy : str
            What to do without, if it is not to unpack the corpus as it should be.

        Returns
        -------
        str

        Raises
        ------
        LayoutError
            If none does.
        """
        for name in names:
            if (self.root / name).is_dir():
                return name
        remedy = remedy or (
            "Unpack the corpus as its layout says (`python -m data_prep list "
            "--layout`)."
        )
        raise LayoutError(
            f"{self.root}: no folder {' or '.join(names)}. There is: "
            f"{self._content()}. {remedy}"
        )

    def exists(self, name: str) -> bool:
        """Whether there is such a file or folder in the corpus."""
        return (self.root / name).exists()

    def files(
        self,
        folder: str = "",
        suffixes: frozenset[str] | set[str] = AUDIO_SUFFIXES,
        recursive: bool = True,
    ) -> Iterator[AudioFile]:
        """Yield the audio files below a folder, in the order of their paths.

        Arguments
        ---------
        folder : str
            Where to look, relative to the folder of the corpus.
        suffixes : set of str
            Extensions that are taken, in lower case; upper case is taken as well.
        recursive : bool
            Whether to look into the folders in it.

        Yields
        ------
        AudioFile

        Raises
        ------
        LayoutError
            If there is no such folder.
        """
        start = self.folder(folder) if folder else ""
        prefix = f"{start}/" if start else ""
        for parts in self._walk(prefix, (), suffixes, recursive, frozenset()):
            yield AudioFile(prefix + "/".join(parts), parts)

    def cover(self, folder: str) -> None:
        """Say that every audio file in a folder should have a row in a key file.

        Files without one are listed in the summary; they have no label.
        """
        self.covered.append(folder)

    def table(
        self, name: str, columns: Sequence[str], separator: str | None = None
    ) -> Iterator[KeyRow]:
        """Yield the rows of a key file without header.

        Arguments
        ---------
        name : str
            The file, relative to the folder of the corpus.
        columns : list of str
            Names for its columns; each row must have that many.
        separator : str, optional
            Between columns; without, any white space.

        Yields
        ------
        KeyRow

        Raises
        ------
        LayoutError
            If the file is missing, not UTF-8, or a row has other columns.
        """
        with self._open(name) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                place = f"{self.root / name}, line {number}"
                values = line.rstrip("\r\n").split(separator)
                if len(values) != len(columns):
                    raise LayoutError(
                        f"{place}: {len(values)} columns instead of {len(columns)} "
                        f"({', '.join(columns)}): {line.strip()[:80]!r}. Is this the "
                        "key file of the right release?"
                    )
                yield KeyRow(dict(zip(columns, values, strict=True)), place)

    def csv_table(
        self,
        name: str,
        columns: Sequence[str],
        delimiter: str = ",",
        quoted: bool = True,
    ) -> Iterator[KeyRow]:
        """Yield the rows of a key file with a header.

        Arguments
        ---------
        name : str
            The file, relative to the folder of the corpus.
        columns : list of str
            Columns that it must have; others are passed on as well.
        delimiter : str
            Between columns.
        quoted : bool
            Whether quotes around a field are to be taken away.

        Yields
        ------
        KeyRow

        Raises
        ------
        LayoutError
            If the file is missing, not UTF-8, or lacks a column.
        """
        quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        with self._open(name) as file:
            reader = csv.DictReader(file, delimiter=delimiter, quoting=quoting)
            missing = [key for key in columns if key not in (reader.fieldnames or ())]
            if missing:
                raise LayoutError(
                    f"{self.root / name}: the header lacks {', '.join(missing)}; it "
                    f"has {', '.join(reader.fieldnames or ())}. Is this the key file "
                    "of the right release?"
                )
            for row in reader:
                place = f"{self.root / name}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise LayoutError(
                        f"{place}: not as many fields as the header has. Get the file "
                        "again."
                    )
                yield KeyRow(row, place)

    def skip(self, what: str, reason: str) -> None:
        """Note a file or key row that gives no row of the manifest, and why."""
        self.skipped.append(Skipped(what, reason))

    def leave_out(self, what: str, reason: str) -> None:
        """Note what is not part of the task, such as a label that is neither class.

        It is listed in the summary like what is skipped, but it is no failure.
        """
        self.left_out.append(Skipped(what, reason))

    def lookup(
        self, path: str, value: str, known: Mapping[str, _Value]
    ) -> _Value | None:
        """What a part of a path stands for; if unknown, skip the file and say None."""
        if value in known:
            return known[value]
        self.skip(path, f"{value!r} is not one of {', '.join(known)}")
        return None

    def _walk(
        self,
        prefix: str,
        above: tuple[str, ...],
        suffixes: frozenset[str] | set[str],
        recursive: bool,
        links: frozenset[str],
    ) -> Iterator[tuple[str, ...]]:
        """Yield the parts of the paths of audio files, each folder sorted by name."""
        folder = prefix + "/".join(above)
        try:
            with os.scandir(self.root / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            self.skip(folder or ".", f"the folder cannot be read ({error.strerror})")
            return
        for entry in entries:
            name = entry.name
            if not _is_folder(entry):
                if name[name.rfind(".") :].lower() in suffixes:
                    yield (*above, name)
            elif recursive:
                inner = links
                if entry.is_symlink():
                    inner = links | {os.path.realpath(entry.path)}
                    if _is_inside(self.root / folder, inner):
                        self.skip(
                            prefix + "/".join((*above, name)),
                            "a link to a folder that it is in; it would never end",
                        )
                        continue
                yield from self._walk(
                    prefix, (*above, name), suffixes, recursive, inner
                )

    def _open(self, name: str) -> io.StringIO:
        """Open a key file; a byte order mark is not part of its first field."""
        path = self.root / name
        try:
            # Read whole: a key file has a few megabytes, and is wholly UTF-8 or not.
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise LayoutError(
                f"{path}: cannot be read ({error.strerror}). The corpus is not "
                "complete without this key file: get it and put it there."
            ) from None
        except UnicodeDecodeError as error:
            raise LayoutError(
                f"{path}: not UTF-8 near byte {error.start}. Get the file again."
            ) from None
        return io.StringIO(text, newline="")

    def _content(self) -> str:
        names = sorted(os.listdir(self.root)) if self.root.is_dir() else []
        shown = ", ".join(names[:8]) or "nothing"
        return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_inside(folder: Path, links: frozenset[str]) -> bool:
    """Whether the targets of links hold the folder in which the last one lies."""
    place = os.path.realpath(folder)
    return any(place == link or place.startswith(link + os.sep) for link in links)
