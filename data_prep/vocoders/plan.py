"""Which copies are made of which rows, where they go, and their own rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data_prep.manifest import (
    COLUMNS,
    OPTIONAL_COLUMNS,
    ROOT,
    UNKNOWN,
    VOCODED,
    ManifestError,
    resolve_path,
)
from data_prep.mini.audio import generator

__all__ = ["FORMATS", "Copy", "copy_id", "copy_row", "plan_copies"]

# Format: what the manifest says of its files, encoding and bits.
FORMATS = {"flac": ("FLAC", 16), "wav": ("PCM_S", 16)}


@dataclass(frozen=True)
class Copy:
    """One copy to be made.

    Arguments
    ---------
    row : dict
        Manifest row of the source.
    source : str
        Its file.
    output : str
        The file of the copy.
    file : str
        The same below the folder of all copies, with `/`.
    seed : int
        Of the random choices of the vocoder; depends on the ID of the source and not
        on the order of work.
    """

    row: Mapping[str, str]
    source: str
    output: str
    file: str
    seed: int

    @property
    def piece(self) -> tuple[float | None, float | None]:
        """Start and stop of the source in its file, in seconds."""
        start, stop = (self.row[key] for key in ("Start", "Stop"))
        return (None, None) if start == UNKNOWN else (float(start), float(stop))


def plan_copies(
    rows: Sequence[Mapping[str, str]],
    data_folder: str | Path | None,
    out: str | Path,
    vocoder: str,
    seed: int = 0,
    audio_format: str = "flac",
    relative_to: str | Path = "",
) -> list[Copy]:
    """Say for each row where its copy goes.

    The file is `<out>/<vocoder>/<path of the source>.<format>`, without the extension
    of the source. A piece of a file has `_<Start>-<Stop>` behind its name.

    Arguments
    ---------
    rows : list of dict
        Rows of the sources, as `read_manifest` gives them.
    data_folder : str or Path, optional
        What `$ROOT` stands for.
    out : str or Path
        Folder of all copies.
    vocoder : str
        Name of the vocoder.
    seed : int
        Seed of all copies.
    audio_format : str
        A key of `FORMATS`.
    relative_to : str or Path
        The folder that the paths of the sources are taken from; relative to the data
        folder, and by default the data folder itself.

    Returns
    -------
    list of Copy
        In the order of the rows.

    Raises
    ------
    ManifestError
        If a source is not below that folder, two copies would be the same file, or a
        copy would replace a source.
    """
    base = os.path.abspath(os.path.join(data_folder or "", relative_to))
    copies, owners = [], {}
    for row in rows:
        source = os.path.abspath(resolve_path(row["Path"], data_folder))
        stem = os.path.splitext(_below(source, base, row["ID"]))[0]
        if row["Start"] != UNKNOWN:
            stem += f"_{row['Start']}-{row['Stop']}"
        file = f"{vocoder}/{stem}.{audio_format}"
        output = os.path.abspath(os.path.join(out, file))
        number = generator("vocode", seed, vocoder, row["ID"]).integers(2**63)
        copies.append(Copy(row, source, output, file, int(number)))
        first = owners.setdefault(output, row["ID"])
        if first != row["ID"]:
            raise ManifestError(
                f"ID {row['ID']}: its copy would be {output}, and so would that of ID "
                f"{first}. Vocode them with different --out, or leave one out."
            )
    for copy in copies:
        if copy.source in owners:
            raise ManifestError(
                f"ID {owners[copy.source]}: its copy would replace the source "
                f"{copy.source}. Choose another --out."
            )
    return copies


def copy_id(source: Mapping[str, str], vocoder: str) -> str:
    """The ID of a copy: `<Corpus>-Vo-<vocoder>-<ID>` of the source.

    Example
    -------
    >>> copy_id({"ID": "Libri-84_1", "Corpus": "LibriTTS"}, "world")
    'LibriTTS-Vo-world-Libri-84_1'
    """
    corpus = "" if source["Corpus"] == UNKNOWN else f"{source['Corpus']}-"
    return f"{corpus}Vo-{vocoder}-{source['ID']}"


def copy_row(
    copy: Copy,
    data_folder: str | Path | None,
    vocoder: str,
    frames: int,
    sample_rate: int,
) -> dict[str, str]:
    """The manifest row of a copy.

    It has the speaker, language and proportion of its source. `Corpus` is that of the
    source with `-Vocoded` (unknown stays unknown), and `Recording`, which ties the two
    together, is that of the source or else its ID.

    Arguments
    ---------
    copy : Copy
        The copy.
    data_folder : str or Path, optional
        What `$ROOT` stands for. A file that is not below keeps its absolute path.
    vocoder : str
        Name of the vocoder.
    frames : int
        Length of the copy in samples.
    sample_rate : int
        Its rate in Hz.

    Returns
    -------
    dict
        All columns.
    """
    source = copy.row
    corpus, recording = source["Corpus"], source["Recording"]
    encoding, bits = FORMATS[copy.file.rpartition(".")[2]]
    row = dict.fromkeys((*COLUMNS, *OPTIONAL_COLUMNS), UNKNOWN) | {
        "ID": copy_id(source, vocoder),
        "Label": "fake",
        "Duration": f"{frames / sample_rate:.2f}",
        "SampleRate": sample_rate,
        "Path": _rooted(copy.output, data_folder),
        "Attack": vocoder,
        "AudioChannel": 1,
        "AudioEncoding": encoding,
        "AudioBitSample": bits,
        "Corpus": UNKNOWN if corpus == UNKNOWN else f"{corpus}{VOCODED}",
        "Recording": source["ID"] if recording == UNKNOWN else recording,
    }
    kept = {key: source[key] for key in ("Speaker", "Proportion", "Language")}
    return {key: str(value) for key, value in (row | kept).items()}


def _below(path: str, base: str, name: str) -> str:
    """A path relative to a folder that it is in, with `/`."""
    found = os.path.relpath(path, base)
    if found.split(os.sep)[0] == os.pardir:
        raise ManifestError(
            f"ID {name}: {path} is not below {base}. Give --relative-to (and "
            "--data-root) such that all sources are."
        )
    return found.replace(os.sep, "/")


def _rooted(path: str, data_folder: str | Path | None) -> str:
    """A path that starts with `$ROOT/` if it can."""
    if data_folder is None:
        return path
    found = os.path.relpath(path, os.path.abspath(data_folder))
    if found.split(os.sep)[0] == os.pardir:
        return path
    return ROOT + found.replace(os.sep, "/")
