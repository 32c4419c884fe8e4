"""One score file, every benchmark.

    python -m recipes.AntiDeepfake.formats SCORES --to asvspoof5 --out score.tsv
    python -m recipes.AntiDeepfake.formats SCORES --to arena --out FOLDER --meta FILE
    python -m recipes.AntiDeepfake.formats SCORES --to df_arena --out FOLDER
    python -m recipes.AntiDeepfake.formats SCORES --to original --out FILE.csv

SCORES is a score file of any kind that `score_file` reads; higher is more genuine in
all of them. No digit is lost: a score is written with as many as it takes to read the
same number again. Written are

    asvspoof5  `filename<TAB>cm-score`, for the evaluation package of ASVspoof 5
    arena      for the Speech Anti-Spoofing Arena: `scores.txt`, its digest in
               `scores.txt.sha256`, and `meta.yaml`, checked, if --meta is given
    df_arena   for the Speech DF Arena: `scores.txt`, and `protocol.csv` if the labels
               are known
    original   `ID,Score,Label`, for the notebooks of the original implementation

A benchmark knows its trials by names of its own, which our IDs contain: the trial
E_0000000202 of ASVspoof 5 is ASV5-A17-E_0000000202 in our manifests.

    --strip-prefix [REGEX]  removes what REGEX matches at the beginning of each ID; by
                            default the prefix of ASVspoof 5, ASV5-<attack>-
    --id-map FILE           a table with the columns ID,name: our ID, their name
    --data-folder DIR       df_arena: names are the paths of the audio (column Path)
                            in this folder
    --key FILE ...          labels and all trials that must be there; see `score_file`

`meta.yaml` describes the system; the options go before the file of --meta:

    --name, --slug, --description, --code URL, --checkpoint URL
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import pandas

from data_prep.manifest import UNKNOWN
from recipes.AntiDeepfake.arena_meta import SYSTEM_KEYS, read_meta
from recipes.AntiDeepfake.format_writers import (
    write_arena,
    write_asvspoof5,
    write_df_arena,
    write_original,
)
from recipes.AntiDeepfake.metrics import eer, looks_flipped
from recipes.AntiDeepfake.score_file import (
    ScoreFileError,
    has_labels,
    labels_as_numbers,
    read_scores,
)
from recipes.AntiDeepfake.trial_key import check_unique
from recipes.AntiDeepfake.usage import UsageError, command

__all__ = [
    "FORMATS",
    "flipped_note",
    "main",
    "rename_trials",
]

ASVSPOOF5_PREFIX = r"ASV5-[^-]+-"


def rename_trials(
    table: pandas.DataFrame,
    strip_prefix: str | None = None,
    id_map: str | Path | None = None,
) -> pandas.DataFrame:
    """Give the trials the names that a benchmark has for them.

    Arguments
    ---------
    table : pandas.DataFrame
        What `score_file.read_scores` gave.
    strip_prefix : str, optional
        Regular expression of what to remove from the beginning of each ID.
    id_map : str or Path, optional
        CSV file with the columns `ID` and `name`.

    Returns
    -------
    pandas.DataFrame
        With other values in `ID`.

    Raises
    ------
    ScoreFileError
        If an ID has no such prefix or is not in the file, or two trials would have
        the same name.

    Example
    -------
    >>> table = pandas.DataFrame({"ID": ["ASV5-A17-E_0000000202"], "Score": [1.0]})
    >>> rename_trials(table, strip_prefix="ASV5-[^-]+-")["ID"].tolist()
    ['E_0000000202']
    """
    names = table["ID"]
    if strip_prefix is not None:
        stripped = names.str.replace(f"^(?:{strip_prefix})", "", regex=True)
        same = stripped == names
        if same.any():
            raise ScoreFileError(
                f"{same.sum()} of {len(names)} IDs do not begin with {strip_prefix!r}, "
                f"the first is {names[same.idxmax()]!r}. Give another --strip-prefix, "
                "or an --id-map."
            )
        names = stripped
    if id_map is not None:
        known = _read_id_map(id_map)
        mapped = names.map(known)
        if mapped.isna().any():
            raise ScoreFileError(
                f"{id_map}: {mapped.isna().sum()} of {len(names)} IDs are not in it, "
                f"the first is {names[mapped.isna().idxmax()]!r}. Add them."
            )
        names = mapped
    check_unique("trials by their new names", names)
    return table.assign(ID=names)


def _read_id_map(path: str | Path) -> dict[str, str]:
    try:
        pairs = pandas.read_csv(path, dtype=str, na_filter=False)
        return dict(zip(pairs["ID"], pairs["name"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise ScoreFileError(
            f"{path}: no table of names ({error}). Give a CSV file with the columns "
            "ID,name."
        ) from None


def flipped_note(path: str | Path, table: pandas.DataFrame) -> str | None:
    """What to say if the sign of the scores seems to be wrong.

    Arguments
    ---------
    path : str or Path
        Where the scores are from.
    table : pandas.DataFrame
        What `score_file.read_scores` gave.

    Returns
    -------
    str or None
        None if all seems well, or the labels are not known.
    """
    if not has_labels(table) or table["Label"].nunique() < 2:
        return None
    scores, labels = table["Score"].to_numpy(), labels_as_numbers(path, table)
    if not looks_flipped(scores, labels):
        return None
    return (
        f"{path}: the EER is {eer(scores, labels)[0]:.1%}. Flipped? In all benchmarks "
        "higher means more genuine; check the sign of the scores and the labels."
    )


def _to_arena(table: pandas.DataFrame, options: argparse.Namespace) -> None:
    given = {key: getattr(options, key) for key in SYSTEM_KEYS}
    given = {key: value for key, value in given.items() if value is not None}
    meta = read_meta(options.meta) if options.meta else {}
    if given:
        meta["system"] = {**meta.get("system", {}), **given}
    digest = write_arena(table, options.out, meta or None)
    print(f"scores.txt: {len(table)} trials, sha256 {digest}")


def _to_df_arena(table: pandas.DataFrame, options: argparse.Namespace) -> None:
    write_df_arena(table, options.out, options.data_folder)


#: What writes a format, by the name of it.
FORMATS: dict[str, Callable[[pandas.DataFrame, argparse.Namespace], None]] = {
    "asvspoof5": lambda table, options: write_asvspoof5(table, options.out),
    "arena": _to_arena,
    "df_arena": _to_df_arena,
    "original": lambda table, options: write_original(table, options.out),
}


@command(__doc__, (ScoreFileError,))
def main(arguments: list[str]) -> int:
    """Convert a score file by the arguments of the command line."""
    parser = argparse.ArgumentParser("recipes.AntiDeepfake.formats")
    parser.add_argument("scores")
    parser.add_argument("--to", required=True, choices=list(FORMATS))
    parser.add_argument("--out", required=True)
    parser.add_argument("--key", nargs="+")
    parser.add_argument("--strip-prefix", nargs="?", const=ASVSPOOF5_PREFIX)
    parser.add_argument("--id-map")
    parser.add_argument("--data-folder")
    parser.add_argument("--meta")
    for key in SYSTEM_KEYS:
        parser.add_argument(f"--{key}")
    options = parser.parse_args(arguments)
    if options.data_folder and options.to != "df_arena":
        raise UsageError("--data-folder is for --to df_arena; see --help.")
    if options.to != "arena" and (options.meta or options.slug):
        raise UsageError("--meta and --slug are for --to arena; see --help.")
    table = read_scores(options.scores, options.key)
    note = flipped_note(options.scores, table)
    table = rename_trials(table, options.strip_prefix, options.id_map)
    FORMATS[options.to](table, options)
    if note:
        print(f"warning: {note}", file=sys.stderr)
    unknown = (table["Label"] == UNKNOWN).sum()
    print(f"{options.out}: {len(table)} trials, {unknown} without a label")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
