"""The pictures of the report: curves, histograms, calibration, slices and maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from recipes.AntiDeepfake.metrics import error_rates
from recipes.AntiDeepfake.reporting.isotonic import calibration_curve
from recipes.AntiDeepfake.reporting.maps import OTHERS, EmbeddingMap
from recipes.AntiDeepfake.reporting.measure import Measured
from recipes.AntiDeepfake.reporting.svg import (
    FAKE,
    INK,
    MUTED,
    REAL,
    SERIES,
    Picture,
    new_figure,
    picture,
    styled,
)
from recipes.AntiDeepfake.tables import FEW_TRIALS

__all__ = [
    "det_curves",
    "embedding_map",
    "reliability",
    "score_histogram",
    "slice_bars",
]

_POINTS = 400  # of a curve
_TICKS = (0.1, 0.5, 1, 2, 5, 10, 20, 40, 60, 80, 95)  # per cent
_MARKS = "sD^vPXh*"
_STYLES = ("-", "--", "-.", ":")
_SIZE = (6.2, 4.0)  # inches, of a picture of half the page
_BINS = 60
_DET = (
    "DET curve: every point is a threshold; nearer to the lower left corner is better. "
    "The axes are those of the normal distribution, on which normal scores give "
    "straight lines. Dots are the EER."
)


@styled
def det_curves(
    name: str, title: str, curves: Mapping[str, Measured | None], explained: bool = True
) -> Picture:
    """Detection error trade-off of several systems or test sets.

    Arguments
    ---------
    name : str
        Different for each picture.
    title : str
        What the curves have in common.
    curves : dict
        By name; of each class there must be trials. None keeps a colour free.
    explained : bool
        Whether the caption says how to read it.

    Returns
    -------
    Picture
    """
    figure, axes = new_figure(_SIZE[0], 5.2)
    least = _least_rate(filter(None, curves.values()))
    limits = ndtri([least, 1 - max(least, 0.02)])
    for number, (label, one) in enumerate(curves.items()):
        if one is None:
            continue
        fpr, fnr, _ = error_rates(one.scores.scores, one.scores.labels, _POINTS)
        # An error rate of 0 or 1 is infinitely far: curves end at the frame.
        x, y = (np.clip(ndtri(rate), *limits) for rate in (fpr, fnr))
        colour, style = SERIES[number % 8], _STYLES[number // 2 % 4]
        rate = one.total["eer"]
        axes.plot(
            x,
            y,
            style,
            color=colour,
            lw=1.6,
            label=f"{_shown(label)}, {100 * rate:.2f}",
        )
        place = float(np.clip(ndtri(rate), *limits))
        axes.plot([place], [place], "o", color=colour, ms=5)
    axes.plot(limits, limits, color=MUTED, lw=0.7, ls=":")
    ticks = [tick for tick in _TICKS if least <= tick / 100 <= 1 - max(least, 0.02)]
    places = ndtri(np.array(ticks) / 100)
    axes.set_xticks(places, [f"{tick:g}" for tick in ticks])
    axes.set_yticks(places, [f"{tick:g}" for tick in ticks])
    axes.set(xlim=limits, ylim=limits, title=title)
    axes.set_xlabel("fakes accepted (FPR), %")
    axes.set_ylabel("genuine speech rejected (FNR), %")
    axes.grid(True)
    axes.legend(title="EER %", loc="best")
    found = (f"{n} {100 * o.total['eer']:.2f} %" for n, o in curves.items() if o)
    return picture(
        figure,
        name,
        f"DET curves, {title}. EER: {', '.join(found)}",
        _DET if explained else "",
    )


def _least_rate(curves: Iterable[Measured]) -> float:
    """Where the axes of a DET plot begin: below a single error."""
    most = max(one.total[label] for one in curves for label in ("real", "fake"))
    return float(np.clip(0.5 / most, 0.0005, 0.02))


@styled
def score_histogram(name: str, title: str, one: Measured) -> Picture:
    """Scores of the two classes and the thresholds.

    Arguments
    ---------
    name : str
        Different for each picture.
    title : str
        Of the picture.
    one : Measured
        The trials.

    Returns
    -------
    Picture
    """
    figure, axes = new_figure(_SIZE[0], 3.3)
    scores, labels = one.scores.scores, one.scores.labels
    edges = np.linspace(*_range_of(scores), _BINS + 1)
    for label, colour, text in ((1, REAL, "real"), (0, FAKE, "fake")):
        mine = scores[labels == label]
        if len(mine):
            counts = np.histogram(np.clip(mine, edges[0], edges[-1]), edges)[0]
            shares = 100 * counts / len(mine)
            axes.stairs(shares, edges, color=colour, lw=1.3)
            axes.stairs(
                shares,
                edges,
                fill=True,
                color=colour,
                alpha=0.35,
                label=f"{text}, {len(mine)}",
            )
    decision, equal = one.threshold, one.total["eer_threshold"]
    axes.axvline(decision, color=INK, lw=1, label=f"decision, {decision:.3g}")
    if not np.isnan(equal):
        axes.axvline(equal, color=INK, lw=1, ls=":", label=f"EER, {equal:.3g}")
    axes.set(title="Scores by class", xlabel="score, higher is more genuine")
    axes.set_ylabel("trials of the class, %")
    axes.legend(loc="best")
    counts = f"{one.total['real']} real, {one.total['fake']} fake trials"
    return picture(figure, name, f"Histogram of scores, {title}: {counts}")


def _range_of(scores: NDArray) -> tuple[float, float]:
    """The range of nearly all scores, not empty."""
    low, high = np.quantile(scores, [0.001, 0.999])
    spread = 0.03 * (high - low) or 1.0
    return low - spread, high + spread


@styled
def reliability(name: str, title: str, one: Measured) -> Picture:
    """Log-likelihood ratios that are claimed against those that are found.

    Arguments
    ---------
    name : str
        Different for each picture.
    title : str
        Of the picture.
    one : Measured
        The trials, of both classes.

    Returns
    -------
    Picture
    """
    figure, axes = new_figure(_SIZE[0], 3.3)
    llrs = one.detector.llr(one.scores.scores)
    edges, found = calibration_curve(llrs, one.scores.labels)
    x_range = _range_of(llrs)
    most = 1.1 * max(3.0, *np.abs(found[np.isfinite(found)]), 0.0)
    axes.plot(x_range, x_range, color=MUTED, lw=0.9, ls="--", label="as claimed")
    axes.axhline(0.0, color=MUTED, lw=0.6)
    kept = _thinned(len(found))
    y = np.repeat(np.clip(found[kept], -most, most), 2)
    axes.plot(edges[kept].ravel(), y, color=SERIES[0], lw=1.7, label="as found")
    axes.set(xlim=x_range, ylim=(-most, most), title="Reliability")
    claimed = "calibrated" if one.detector.calibration else "uncalibrated"
    axes.set_xlabel(f"log-likelihood ratio claimed ({claimed} score)")
    axes.set_ylabel("found in these trials")
    axes.grid(True)
    axes.legend(loc="upper left")
    costs = f"Cllr {one.total['cllr']:.3f}, of which {one.total['min_cllr']:.3f} bits"
    return picture(
        figure,
        name,
        f"Reliability of the scores, {title}",
        f"{costs} cannot be calibrated away (min Cllr).",
    )


def _thinned(count: int) -> NDArray:
    """Indices of not too many of the blocks, the ends among them."""
    return np.unique(np.linspace(0, count - 1, min(count, _POINTS)).astype(int))


@styled
def slice_bars(
    name: str,
    title: str,
    groups: Mapping[str, Mapping[str, dict]],
    systems: Sequence[str],
) -> Picture:
    """EER of slices with intervals, of several systems.

    Arguments
    ---------
    name : str
        Different for each picture.
    title : str
        Of the picture.
    groups : dict
        By slice and by system, rows of `tables.metrics_table`.
    systems : list of str
        All systems of the page; each has its colour.

    Returns
    -------
    Picture
    """
    colours = {system: SERIES[i % 8] for i, system in enumerate(systems)}
    systems = [name for name in systems if any(name in row for row in groups.values())]
    step = 1 / (len(systems) + 0.7)
    lines = len(groups) / step
    legend = 0.2 * (len(systems) // 3 + 1) if len(systems) > 1 else 0.0
    figure, axes = new_figure(_SIZE[0], 0.95 + legend + 0.125 * max(lines, 6))
    for number, system in enumerate(systems):
        offset = step * (number - (len(systems) - 1) / 2)
        colour = colours[system]
        rows = [(i, row.get(system)) for i, row in enumerate(groups.values())]
        _slice_points(axes, [(i + offset, row) for i, row in rows if row], colour)
        axes.plot([], [], "o", ms=4.5, color=colour, label=_shown(system))
    names = [_slice_name(key, rows) for key, rows in groups.items()]
    axes.set_yticks(range(len(names)), names, fontsize=8.5)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(left=-1.0, right=max(52.0, axes.get_xlim()[1]))
    axes.axvline(50.0, color=MUTED, lw=0.8, ls=":")
    axes.set(title=title, xlabel="EER % and its 95 % interval")
    axes.grid(True, axis="x")
    if len(systems) > 1:
        figure.legend(loc="outside lower left", ncols=3, fontsize=8.5)
    return picture(
        figure,
        name,
        f"EER by slice, {title}; the figures are in the table below",
    )


def _slice_points(axes, rows: Sequence[tuple[float, Mapping]], colour: str) -> None:
    """EER of some slices, each at a place."""
    for few in (False, True):
        chosen = [
            (place, row)
            for place, row in rows
            if not np.isnan(row["eer"])
            and (min(row["real"], row["fake"]) < FEW_TRIALS) == few
        ]
        if chosen:
            rates, low, high = (
                100 * np.array([row[key] for _, row in chosen])
                for key in ("eer", "eer_low", "eer_high")
            )
            # A percentile interval need not hold the estimate itself.
            errors = np.nan_to_num(np.maximum([rates - low, high - rates], 0.0))
            places = [place for place, _ in chosen]
            filled = "none" if few else colour
            axes.errorbar(
                *(rates, places),
                xerr=errors,
                **{"fmt": "o", "ms": 4.5, "lw": 1.2, "color": colour, "mfc": filled},
            )


def _shown(name: str) -> str:
    """A name that a legend shows: it leaves out those that begin with `_`."""
    return f" {name}" if name.startswith("_") else name


def _slice_name(name: str, rows: Mapping[str, dict]) -> str:
    row = next(iter(rows.values()))
    return f"{name}  {row['real']}/{row['fake']}"


@styled
def embedding_map(name: str, kind: str, maps: Sequence[EmbeddingMap]) -> Picture:
    """Maps side by side, coloured by one kind of group.

    Arguments
    ---------
    name : str
        Different for each picture.
    kind : str
        A key of `EmbeddingMap.groups`.
    maps : list of EmbeddingMap
        Of the same utterances.

    Returns
    -------
    Picture
    """
    figure, panels = new_figure(
        max(2, len(maps)) * 5.2, 4.3, max(2, len(maps)), squeeze=False
    )
    values = maps[0].groups[kind]
    names = sorted(set(values) - {OTHERS}) + ([OTHERS] if OTHERS in values else [])
    styles = _group_styles(names)
    for axes, one in zip(panels[0], maps, strict=False):
        for group, style in styles.items():
            points = one.points[values == group]
            axes.plot(*points.T, **style, ls="none", ms=3.4, mew=0, alpha=0.8)
        axes.set(title=one.name, xticks=[], yticks=[])
        axes.spines[:].set_visible(True)
    for axes in panels[0][len(maps) :]:
        axes.set_axis_off()
    for group, style in styles.items():
        label = f"{_shown(group)}, {np.count_nonzero(values == group)}"
        panels[0][0].plot([], [], **style, ls="none", label=label)
    figure.legend(loc="outside lower left", ncols=min(4, len(names)), fontsize=8.5)
    return picture(
        figure,
        name,
        f"t-SNE maps of embeddings coloured by {kind}: "
        + " and ".join(one.name for one in maps),
        f"Coloured by {kind}.",
        wide=True,
    )


def _group_styles(names: Sequence[str]) -> dict[str, dict[str, str]]:
    """A colour and a marker for each group."""
    known = {"real": (REAL, "o"), "genuine": (REAL, "o"), "fake": (FAKE, "s")}
    known[OTHERS] = (MUTED, ".")
    # The first colour looks like that of genuine speech.
    rest = zip(SERIES[1:] if "genuine" in names else SERIES, _MARKS, strict=False)
    styles = {name: known.get(name) or next(rest) for name in names}
    return {name: {"color": c, "marker": m} for name, (c, m) in styles.items()}
