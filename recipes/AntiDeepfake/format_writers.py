"""Writers of the score files that benchmarks take.

A score is written with as many digits as it takes to read the same number again.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pandas

from data_prep.files import atomic_path, file_digest
from data_prep.manifest import resolve_path
from recipes.AntiDeepfake.arena_meta import check_meta
from recipes.AntiDeepfake.score_file import ScoreFileError, has_labels
from recipes.AntiDeepfake.trial_key import check_unique

__all__ = ["write_arena", "write_asvspoof5", "write_df_arena", "write_original"]

_DIALECT = {"index": False, "lineterminator": "\n"}


def write_asvspoof5(table: pandas.DataFrame, path: str | Path) -> None:
    """Write `filename<TAB>cm-score` for the ASVspoof 5 evaluation package.

    https://github.com/asvspoof-challenge/asvspoof5/tree/main/evaluation-package
    """
    _require_names(table, "\t")
    renamed = table[["ID", "Score"]].set_axis(["filename", "cm-score"], axis=1)
    with atomic_path(path) as temporary:
        renamed.to_csv(temporary, sep="\t", **_DIALECT)


def write_arena(
    table: pandas.DataFrame, folder: str | Path, meta: dict | None = None
) -> str:
    """Write what a submission to the Speech Anti-Spoofing Arena needs.

    `scores.txt` goes to `.eval_results/<org>/<dataset>/scores.txt` in the model's
    repository: https://github.com/lab260ru/speech_spoof_bench.

    Arguments
    ---------
    table : pandas.DataFrame
        What `score_file.read_scores` gave, by the names of the benchmark.
    folder : str or Path
        Where to.
    meta : dict, optional
        The description of the system, see `arena_meta.check_meta`.

    Returns
    -------
    str
        The digest (SHA-256) of `scores.txt`.

    Raises
    ------
    ScoreFileError
        If the description or a name will not be taken; nothing is written then.
    """
    import yaml

    if meta is not None:
        check_meta(meta)
    path = Path(folder) / "scores.txt"
    _write_lines(table, path)
    digest = file_digest(path)
    with atomic_path(path.with_name("scores.txt.sha256")) as temporary:
        temporary.write_text(f"{digest}  scores.txt\n")
    if meta is not None:
        text = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)
        with atomic_path(path.with_name("meta.yaml")) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return digest


def write_df_arena(
    table: pandas.DataFrame,
    folder: str | Path,
    data_folder: str | Path | None = None,
) -> None:
    """Write what the toolkit of the Speech DF Arena reads.

    `scores.txt` has lines of `<file_name> <score>`, and `protocol.csv`, which is
    written if the labels are known, is `file_name,label` with bonafide and spoof; a
    file name is an absolute path there: https://github.com/Speech-Arena/speech_df_arena.

    Arguments
    ---------
    table : pandas.DataFrame
        What `score_file.read_scores` gave.
    folder : str or Path
        Where to.
    data_folder : str or Path, optional
        What `$ROOT` in the column `Path` stands for; these paths are the names then.

    Raises
    ------
    ScoreFileError
        If there is no column Path, a path is not unique or has a blank in it.
    """
    if data_folder is not None:
        if "Path" not in table:
            raise ScoreFileError(
                "the scores have no column Path, so that their audio in "
                f"{data_folder} is not known. Give a manifest: --key."
            )
        root = Path(data_folder).absolute()
        paths = table["Path"].map(lambda path: resolve_path(path, root))
        check_unique("paths of the audio", paths)
        table = table.assign(ID=paths)
    _write_lines(table, Path(folder) / "scores.txt")
    if has_labels(table):
        words = {"real": "bonafide", "fake": "spoof"}
        protocol = {"file_name": table["ID"], "label": table["Label"].map(words)}
        with atomic_path(Path(folder) / "protocol.csv") as temporary:
            pandas.DataFrame(protocol).to_csv(temporary, **_DIALECT)


def write_original(table: pandas.DataFrame, path: str | Path) -> None:
    """Write `evaluation_score.csv` as the original implementation does.

    `ID,Score,Label`, with the text `[fake, real]` of the logits in Score and 1 for
    real in Label: https://github.com/nii-yamagishilab/AntiDeepfake.

    Raises
    ------
    ScoreFileError
        If the logits or the labels are not known.
    """
    if "LogitFake" not in table or "LogitReal" not in table:
        raise ScoreFileError(
            "the scores have no columns LogitFake and LogitReal, which this format "
            "needs. Score with this recipe."
        )
    if not has_labels(table):
        raise ScoreFileError("this format needs labels. Give a key that has them.")
    logits = zip(table["LogitFake"].tolist(), table["LogitReal"].tolist(), strict=True)
    original = {
        "ID": table["ID"],
        "Score": [f"[{fake!r}, {real!r}]" for fake, real in logits],
        "Label": (table["Label"] == "real").astype(int),
    }
    with atomic_path(path) as temporary:
        pandas.DataFrame(original).to_csv(temporary, **_DIALECT)


def _require_names(table: pandas.DataFrame, separator: str) -> None:
    """Raise ScoreFileError if a name would not be read as one field."""
    what = '[\t\n\r"]' if separator == "\t" else r"[\s\"]"
    bad = table["ID"].str.contains(what, regex=True)
    if bad.any():
        raise ScoreFileError(
            f"{bad.sum()} names have a blank or a quotation mark in them, which this "
            f"format cannot hold, the first is {table['ID'][bad.idxmax()]!r}. Rename "
            "the trials (--id-map)."
        )


def _write_lines(table: pandas.DataFrame, path: Path) -> None:
    """Lines of a name and a score, without a header."""
    _require_names(table, " ")
    with atomic_path(path) as temporary:
        table[["ID", "Score"]].to_csv(
            temporary, sep=" ", header=False, quoting=csv.QUOTE_NONE, **_DIALECT
        )
