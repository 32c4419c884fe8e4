"""What others measured on the same test sets, to be put beside one's own figures.

`published.csv` holds the equal error rates that the authors of the paper published with
their released detectors (https://github.com/nii-yamagishilab/AntiDeepfake): zero-shot
by test set, and fine-tuned on Deepfake-Eval-2024 by length of the pieces. They are
those of the first release; in October 2025 its authors corrected their scorer, so
small differences from these figures mean nothing.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import NamedTuple

from recipes.AntiDeepfake.card import CARD
from recipes.AntiDeepfake.conversion import known_model

__all__ = ["Published", "format_published", "published_rates", "ssl_model_name"]

_TABLE = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """A published result.

    Arguments
    ---------
    model : str
        SSL model, a name of `lobes.models`.
    stage : str
        How the detector was trained.
    eer : float
        Equal error rate in [0, 1].
    """

    model: str
    stage: str
    eer: float


def published_rates(test_set: str, model: str | None = None) -> list[Published]:
    """Published error rates on a test set.

    Arguments
    ---------
    test_set : str
        Name of a list that `python -m data_prep merge paper` or `... df2024` makes.
    model : str, optional
        Only those of this SSL model.

    Returns
    -------
    list of Published
        Empty if there are none.

    Example
    -------
    >>> published_rates("test_In-the-Wild", "MMS-300M")[0]
    Published(model='MMS-300M', stage='post-trained, no RawBoost', eer=0.02)
    """
    with open(_TABLE, newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["set"] == test_set]
    return [
        Published(row["model"], row["stage"], round(float(row["eer_percent"]) / 100, 6))
        for row in rows
        if model in (None, row["model"])
    ]


def format_published(test_set: str, model: str | None = None) -> str:
    """The published error rates on a test set as a few lines; empty if there are none.

    Example
    -------
    >>> print(format_published("test_In-the-Wild", "MMS-300M"))
    published by the authors of the paper, EER %:
      MMS-300M, post-trained, no RawBoost: 2.00
      MMS-300M, post-trained: 2.90
    """
    rows = published_rates(test_set, model)
    lines = [f"  {row.model}, {row.stage}: {100 * row.eer:.2f}" for row in rows]
    title = "published by the authors of the paper, EER %:"
    return "\n".join([title, *lines]) if lines else ""


def ssl_model_name(detector: str | Path) -> str | None:
    """Name of the SSL model that a detector was trained from, if it is a known one.

    Arguments
    ---------
    detector : str or Path
        A detector folder, or the hub id of a released detector.

    Returns
    -------
    str or None
    """
    names = [str(detector)]
    card = Path(detector) / CARD
    if card.is_file():
        # The innermost detector of the lineage comes last and says what all began with.
        found = re.findall(
            r"^ *- SSL model: (\S+)(?: \((\S+?),)?", card.read_text("utf-8"), re.M
        )
        names += [name for pair in reversed(found) for name in pair if name]
    models = (known_model(name) for name in names)
    return next((model.name for model in models if model is not None), None)
