"""Grey levels: values in bins of one width."""

from __future__ import annotations

import numpy as np

BIN_WIDTH = 25
"""Width of a grey-level bin in HU."""

CHUNK = 1 << 15  # values that are compared at once, few enough for the cache


def grey_levels(values: np.ndarray) -> np.ndarray:
    """The bin of each value, 1 for that of the least.

    Bins are those of PyRadiomics' fixed bin width: half open, and their edges multiples of the width, where IBSI's
    begin at the least value.

    Parameters
    ----------
    values : ndarray of int or float, shape (n,)

    Returns
    -------
    ndarray of uint16, shape (n,)
    """
    least, largest = values.min(), values.max()
    edges = np.arange(least - least % BIN_WIDTH, largest + 2 * BIN_WIDTH, BIN_WIDTH, dtype=float)
    after = np.append(edges[1:], np.inf)
    levels = np.empty(len(values), np.uint16)
    for start in range(0, len(values), CHUNK):
        some = values[start : start + CHUNK]
        # A bin found by division may be a neighbour of the right one, which edges decide as they are.
        below = np.minimum(((some - edges[0]) / BIN_WIDTH).astype(np.intp), len(edges) - 1)
        levels[start : start + CHUNK] = below + 1 - (some < edges[below]) + (some >= after[below])
    return levels
