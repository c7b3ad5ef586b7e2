"""Which tissue in the chest is lung: what is expected where, what it looks like, and what its neighbours are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...imaging.coarse_grid import STEP, block_deviation, opened
from .atlas import Expected
from .reach import SELDOM, within_reach
from .spatial_prior import prior_odds, surely_lung
from .tissue_classifier import fat_in, learned, looks_of, sure_lung

CERTAIN = 20.0
"""Logarithm of the odds of what is known."""

WALL = 1.02
"""Distance from the axis up to which there may be lung, as a share of that of the wall, which is known to some mm."""

UNDER = 45.0
"""mm below the lowest aerated lung down to which tissue is an example of what is no lung: most of a liver is there."""

COUPLING = 7.0
"""How much the neighbours of a voxel count."""

ITERATIONS = 20

DENSE = -250
"""HU from which tissue is judged by its looks."""

NECK = 6.1
"""mm to each side of a place at which two parts of dense lung hang together, and are judged apart."""

LEAST_BOUNDED = 0.5
"""Share of the surface of dense lung that lies at lung that is seen or at the chest wall, and not at other tissue."""

WALL_SURFACE = 0.95
"""Distance from the axis, as a share of that of the wall, from which a surface lies at it."""


def lung_field(
    ct: np.ndarray,
    coarse: np.ndarray,
    lung: np.ndarray,
    other_air: np.ndarray,
    bone: np.ndarray,
    place: Expected,
    progress: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Probability of lung on the coarse grid, by a mean field over neighbours.

    What dense lung of this patient looks like is learned from tissue that its place makes sure.

    Parameters
    ----------
    ct, coarse : ndarray of shape (z, y, x)
        HU on the working grid and on the coarse one.
    lung, other_air, bone : ndarray of bool, on the coarse grid
        Aerated lung; air outside the body and in the airways; bone.
    place : Expected
        Where voxels lie in the chest.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    ndarray of float32, on the coarse grid
    """
    from scipy import ndimage

    deviation = block_deviation(ct)
    inside = (place.radius < WALL) & ~bone & ~other_air
    solid = inside & ~lung & (coarse > DENSE)
    fat = fat_in(coarse, deviation, (place.radius > 1.1) & (coarse > -150) & (coarse < -60))
    depth = ndimage.distance_transform_edt(~lung)
    skin = depth <= 1
    looks = looks_of(coarse, deviation, solid & ~skin)
    progress(0.4)

    reach = within_reach(lung, place)
    dense = sure_lung(surely_lung(place) & place.dense & reach & solid & ~skin & ~fat, depth)
    evidence = prior_odds(lung, dense, skin, place) - 2.0 * fat
    levels = np.flatnonzero(lung.any(axis=(1, 2)))
    beside = np.zeros((len(lung), 1, 1), bool)
    beside[max(0, levels[0] - int(UNDER / STEP)) : levels[-1] + 1] = True
    other = solid & beside & ((place.lung < SELDOM) | fat)
    odds = learned(looks, dense, other, solid & ~skin & reach)
    if odds is not None:
        evidence += odds
    # Denser than aerated lung and thinner than any tissue: ground glass.
    evidence = np.where((coarse < -200) & (place.radius < 0.97), np.maximum(evidence, 1.5), evidence)
    evidence[~inside | ~reach] = -CERTAIN
    evidence[lung] = CERTAIN
    progress(0.7)
    return _with_air(_mean_field(evidence.astype(np.float32)), lung)


def without_islands(probability: np.ndarray, seen: np.ndarray, place: Expected) -> np.ndarray:
    """Without dense parts that lie at other tissue more than at lung and the chest wall: heart, vessels, liver, spleen.

    A part that is larger than all lung that is seen in its half of the chest is the lung of that half.

    Parameters
    ----------
    probability : ndarray of float32, shape (z, y, x)
        Of lung, on the coarse grid.
    seen : ndarray of bool, shape (z, y, x)
        Aerated lung and ground glass.
    place : Expected
    """
    from scipy import ndimage

    dense = (probability > 0.5) & ~seen
    parts, _ = ndimage.label(opened(dense, NECK))
    reach = int(NECK / STEP)
    kept = probability.copy()
    for number, core in enumerate(ndimage.find_objects(parts), 1):
        # The core is grown to the part again, and that by its surface.
        near = tuple(slice(max(0, side.start - 2 * reach), side.stop + 2 * reach) for side in core)
        part = ndimage.binary_dilation(parts[near] == number, iterations=reach) & dense[near]
        surface = ndimage.binary_dilation(part) & ~part
        bounded = seen[near] | (place.radius[near] > WALL_SURFACE)
        half = place.left if place.left[near][part].mean() > 0.5 else ~place.left
        if bounded[surface].mean() < LEAST_BOUNDED and np.count_nonzero(part) < np.count_nonzero(seen & half):
            kept[near][part] = 0
    return kept


def _with_air(probability: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """Without the parts that hold no aerated lung, such as tissue around the bowel."""
    from scipy import ndimage

    parts, count = ndimage.label(probability > 0.5)
    aerated = np.zeros(count + 1, bool)
    aerated[np.unique(parts[lung])] = True
    return np.where((parts > 0) & ~aerated[parts], 0, probability)


def _mean_field(evidence: np.ndarray) -> np.ndarray:
    from scipy import ndimage
    from scipy.special import expit

    probability = expit(evidence)
    for _ in range(ITERATIONS):
        around = ndimage.gaussian_filter(probability, 1, truncate=2.5)
        probability = expit(COUPLING * (2 * around - 1) + evidence)
    return probability
