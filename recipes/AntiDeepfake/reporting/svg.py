"""Pictures as SVG inside a page, in its colours and its font."""

from __future__ import annotations

import html
import io
import re
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.figure import Figure

__all__ = [
    *("FAKE", "INK", "MUTED", "REAL", "SERIES"),
    *("Picture", "new_figure", "picture", "styled"),
]

# Colours that are none: the page replaces each by its own, which may be light or dark.
INK, MUTED = "#010101", "#020202"
REAL, FAKE = "#030303", "#040404"
SERIES = tuple(f"#1{number}1{number}1{number}" for number in range(8))
_VARIABLES = {INK: "--ink", MUTED: "--muted", REAL: "--real", FAKE: "--fake"}
_VARIABLES |= {colour: f"--series-{i}" for i, colour in enumerate(SERIES)}
_STYLE = {
    "svg.fonttype": "none",
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": MUTED,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "path.simplify": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
}

#: Decorator of functions that draw: the style of the page holds in them.
styled = matplotlib.rc_context(_STYLE)


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    Arguments
    ---------
    svg : str
        The `<svg>` element.
    caption : str
        How to read it.
    wide : bool
        Whether it is as wide as the page.
    """

    svg: str
    caption: str
    wide: bool = False


def new_figure(
    width: float, height: float, columns: int = 1, **settings
) -> tuple[Figure, Any]:
    """A figure and its axes; to be called by a function that is `styled`.

    Arguments
    ---------
    width, height : float
        In inches, at 72 points each.
    columns : int
        How many axes, side by side.
    **settings
        For `Figure.subplots`.

    Returns
    -------
    Figure, axes
    """
    figure = Figure((width, height), layout="constrained")
    return figure, figure.subplots(1, columns, **settings)


def picture(
    figure: Figure, name: str, alternative: str, caption: str = "", wide: bool = False
) -> Picture:
    """Make a picture of a figure.

    Arguments
    ---------
    figure : Figure
        From `new_figure`.
    name : str
        Different for each picture of a page.
    alternative : str
        What it shows, for who cannot see it.
    caption : str
        How to read it.
    wide : bool
        Whether it is to be as wide as the page.

    Returns
    -------
    Picture
    """
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return Picture(_for_page(file.getvalue().decode(), alternative), caption, wide)


def _for_page(svg: str, alternative: str) -> str:
    """What a page needs of a file of Matplotlib."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    # Names of groups are those of every other picture, and nothing refers to them.
    svg = re.sub(r'<g id="[^"]*">', "<g>", svg)
    svg = re.sub(r"<[^>]*>", _tag_for_page, svg)
    width, height = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg).groups()
    head = (
        f'<svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{html.escape(alternative)}">'
    )
    svg = head + svg[svg.index(">") + 1 :]
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def _tag_for_page(tag: re.Match) -> str:
    """A tag with the font and the colours of the page; what is between tags is text."""
    # Hundredths of a point are plenty.
    text = re.sub(r"(\.\d\d)\d+", r"\1", tag.group())
    text = re.sub(r"(font: [^;'\"]*?\dpx) [^;\"]*", r"\1 var(--font)", text)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    return text
