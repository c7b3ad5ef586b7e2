"""Which tissue in the chest is lung: what is expected where, what it looks like, and what its neighbours are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .atlas import Expected
from .grid import STEP
from .tissue import fat_in, learned, looks_of, sure_lung

CERTAIN = 20.0
"""Logarithm of the odds of what is known."""

EDGE = -2.0
"""That of tissue on the far side of aerated lung, at the heart or below: mostly the lung ends where its air does."""

AT_WALL = 3.0
"""That of tissue between aerated lung and the chest wall."""

COUPLING = 5.0
"""How much the neighbours of a voxel count."""

ITERATIONS = 20

MOSTLY = 0.6
"""Share of the anatomies from which a place mostly is lung."""

HIGHER_RIGHT, HIGHER_LEFT = 27, 12
"""mm by which a side of the diaphragm seldom lies higher than the other one."""

DENSE = -250
"""HU from which tissue is judged by its looks."""


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

    What tissue looks like is learned twice: from tissue that its place makes sure, then from what came out.

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

    looks = looks_of(ct, coarse)
    progress(0.3)
    inside = (place.radius < 1.03) & ~bone & ~other_air
    solid = inside & ~lung & (coarse > DENSE)
    fat = fat_in(looks, (place.radius > 1.1) & (coarse > -150) & (coarse < -60))
    depth = ndimage.distance_transform_edt(~lung)
    skin = depth <= 1.5

    # Mediastinum lies beyond the lung as seen from its axis, the diaphragm below it.
    beyond = place.beyond & (place.costal < 0.5)
    below = (np.cumsum(lung[::-1], axis=0)[::-1] >= 2) & (np.cumsum(lung, axis=0) < 1) & (place.radius < 0.9)
    below &= ~_level_with_other_lung(lung, place)
    far_side = beyond | below
    at_wall = place.behind & (place.costal > 0.7) & (place.lung > MOSTLY)
    share = np.clip(place.lung, 0.03, 0.97)
    prior = np.log(share / (1 - share))
    prior = np.where(far_side, np.minimum(prior, EDGE), prior)
    prior = np.where(at_wall, np.maximum(prior, AT_WALL), prior)
    # What lies next to air is seen blurred with it: its neighbours decide.
    prior = np.where(at_wall & skin, np.minimum(prior, 0), prior) - 2.0 * fat

    examples = (place.costal > 0.7) & (place.radius < 0.95) & (place.lung > 0.8) & (depth > 1) & solid & ~fat
    others = solid & ((place.lung < 0.1) | (far_side & (depth > 5)) | fat)
    probability = None
    for pass_ in range(2):
        odds = learned(looks, sure_lung(examples, depth), others, solid)
        evidence = prior.copy()
        if odds is not None:
            odds[skin] = 0
            evidence += np.where(at_wall & ~fat, np.maximum(odds, -1), odds)
        # Denser than aerated lung and thinner than any tissue: ground glass.
        evidence = np.where((coarse < -200) & (place.radius < 0.97), np.maximum(evidence, 1.5), evidence)
        evidence[~inside] = -CERTAIN
        evidence[lung] = CERTAIN
        probability = _mean_field(evidence.astype(np.float32))
        progress(0.65 + 0.35 * pass_)
        if odds is None:
            break
        examples = (probability > 0.7) & (depth > 1.5) & solid & ~fat
        others = solid & (((probability < 0.3) & (depth > 2.5)) | fat)
    return _with_air(probability, lung)


def _with_air(probability: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """Without the parts that hold no aerated lung, such as tissue around the bowel."""
    from scipy import ndimage

    parts, count = ndimage.label(probability > 0.5)
    aerated = np.zeros(count + 1, bool)
    aerated[np.unique(parts[lung])] = True
    return np.where((parts > 0) & ~aerated[parts], 0, probability)


def _level_with_other_lung(lung: np.ndarray, place: Expected) -> np.ndarray:
    """Places that mostly are lung, in slices in which the other lung is aerated: too high for the diaphragm."""
    found = np.zeros(lung.shape, bool)
    inside = place.radius < 1
    for half, margin in ((~place.left, HIGHER_RIGHT), (place.left, HIGHER_LEFT)):
        other = inside & ~half
        aerated = np.count_nonzero(lung & other, axis=(1, 2))
        usual = np.where(other, place.lung, 0).sum(axis=(1, 2))
        level = np.zeros(len(lung), bool)
        lower = aerated > 0.5 * np.maximum(usual, 1)
        level[margin // STEP :] = lower[: len(lung) - margin // STEP]
        found |= half & level[:, None, None] & (place.lung > MOSTLY)
    return found


def _mean_field(evidence: np.ndarray) -> np.ndarray:
    from scipy import ndimage
    from scipy.special import expit

    probability = expit(evidence)
    for _ in range(ITERATIONS):
        around = ndimage.gaussian_filter(probability, 1, truncate=2.5)
        probability = expit(COUPLING * (2 * around - 1) + evidence)
    return probability
