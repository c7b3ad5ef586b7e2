"""How dense the patient's own lung is where it is healthy, higher and lower in the body as it lies."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np

LIMITS = -950.0, -650.0
"""HU that healthy lung has: from emphysema to expiration."""

AERATED = -680
"""HU below which a voxel may be healthy lung, or noise around it."""

SLABS, FEWEST, LEAST_AERATED = 8, 200, 0.3
"""Slabs from front to back in which the density is looked at; voxels in one, and the share of them that are aerated,
from which it counts."""

STEEPEST = 0.5
"""HU per mm by which healthy lung gets denser from front to back, at most: a steeper line follows disease there."""

UNKNOWN = -850.0
"""HU of healthy lung where none of a CT shows it."""


def healthy_density(hu: np.ndarray, inner: np.ndarray, spacing: float) -> np.ndarray:
    """HU of healthy lung in each row from front to back.

    The most frequent density in each of some slabs is that of healthy lung, if enough of the slab is aerated. A line
    through them (Theil and Sen) does not follow the few slabs that an opacity fills.

    Parameters
    ----------
    hu : ndarray of shape (z, y, x)
    inner : ndarray of bool, shape (z, y, x)
        Lung away from its boundary.
    spacing : float
        Of the voxels, in mm.

    Returns
    -------
    ndarray of float32, shape (1, y, 1)
    """
    rows, values = np.nonzero(inner)[1], hu[inner]
    places, densities = [], []
    if len(rows):
        ends = np.unique(np.quantile(rows, np.linspace(0, 1, SLABS + 1)).astype(int))
        for start, stop in pairwise(ends):
            slab = values[(rows >= start) & (rows < stop)]
            aerated = slab[slab < AERATED]
            if len(slab) > FEWEST and len(aerated) > LEAST_AERATED * len(slab):
                places.append((start + stop) / 2)
                densities.append(_most_frequent(aerated))
    if not places:
        return np.full((1, hu.shape[1], 1), UNKNOWN, np.float32)
    points = zip(places, densities, strict=True)
    slopes = [(second[1] - first[1]) / (second[0] - first[0]) for first, second in combinations(points, 2)]
    slope = np.clip(np.median(slopes), -STEEPEST * spacing, STEEPEST * spacing) if slopes else 0.0
    level = np.median(np.subtract(densities, slope * np.array(places)))
    line = np.clip(level + slope * np.arange(hu.shape[1]), *LIMITS)
    return line.astype(np.float32).reshape(1, -1, 1)


def _most_frequent(values: np.ndarray) -> float:
    """The mode of HU, of a histogram that is smooth enough for noise not to make one."""
    from scipy import ndimage

    width = 10
    counts, edges = np.histogram(values, bins=np.arange(-1000, AERATED + width, width))
    return float(edges[ndimage.gaussian_filter1d(counts.astype(float), 2.5).argmax()] + width / 2)
