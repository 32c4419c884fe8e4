"""How several scores become one: those of the windows or pieces of a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["AGGREGATES"]

#: By the names that command lines and YAML files have for them. `min` finds a recording
#: that is fake in parts.
AGGREGATES: Mapping[str, Callable[[NDArray], float]] = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
}
