"""The order of a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from recipes.AntiDeepfake.reporting.content import Section
from recipes.AntiDeepfake.reporting.maps import EmbeddingMap
from recipes.AntiDeepfake.reporting.measure import Measured
from recipes.AntiDeepfake.reporting.picture_sections import curves, embeddings, slices
from recipes.AntiDeepfake.reporting.table_sections import (
    compared,
    errors,
    overview,
    provenance,
    thresholds,
)
from recipes.AntiDeepfake.reporting.worst import Clips

__all__ = ["SECTIONS", "sections_of"]

SECTIONS = 8  # that there are at most


def sections_of(
    measured: Sequence[Measured],
    transferred: Sequence[Mapping],
    comparisons: Sequence[Mapping],
    maps: Sequence[EmbeddingMap],
    clips: Clips,
    worst: int,
    step: Callable[[], object] = lambda: None,
) -> list[Section]:
    """Put a report together.

    Arguments
    ---------
    measured : list of Measured
        By test set and system.
    transferred : list of dict
        Of `transfer.transfer`.
    comparisons : list of dict
        Of `systems.compare_systems`.
    maps : list of EmbeddingMap
        May be empty.
    clips : Clips
        Makes the audio of the page.
    worst : int
        How many errors of each class are listed.
    step : callable
        Called when a section is done.

    Returns
    -------
    list of Section
        Those about which there is something to say.
    """
    made = (
        lambda: overview(measured),
        lambda: compared(comparisons),
        lambda: curves(measured),
        lambda: slices(measured),
        lambda: thresholds(transferred),
        lambda: embeddings(maps),
        lambda: errors(measured, clips, worst),
        lambda: provenance(measured),
    )
    found = []
    for make in made:
        section = make()
        if section.content:
            found.append(section)
        step()
    return found
