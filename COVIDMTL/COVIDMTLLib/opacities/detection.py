"""Where the lungs are denser than the patient's own healthy lung, and not for vessels, airway walls and fissures.

Those are thin: most of what lies around them is healthy lung, and of what is left of them a ball finds no room. Vessels
as thick as a small opacity are curved as a tube is; and at the hilum, where they branch, the ball is larger.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.coarse_grid import dilated, eroded, opened, without_small
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Geometry, Volume, labels_on, linear_on, triple
from ..utils.errors import InputError
from .healthy_lung import UNKNOWN, healthy_density
from .tubes import tubes

GROUND_GLASS, CONSOLIDATION = 1, 2
"""Labels of opacities."""

HIGH_OPACITY = -200
"""HU from which an opacity is a high one; where most around a voxel is that dense, there is consolidation."""

STEP = 2
"""mm between the voxels on which opacities are looked for."""

DENSER = 160.0
"""HU above healthy lung from which lung is dense; ground glass is denser."""

DENSEST = 50.0
"""HU that an opacity counts with at most, so that contrast medium and calcium do not move its edge."""

RIM = 2.0
"""mm along the boundary of the lungs whose density is mixed with that of the wall and does not count."""

AROUND, NEAR = 3.0, 2.0
"""Standard deviation in mm of the neighbourhood most of which has to be dense: to find opacities, and their edge."""

EDGE = 0.6
"""Where between the densities of healthy lung and of the opacity its edge lies: partly filled voxels around it are
drawn out by the neighbourhood that is looked at."""

LEAST_EDGE = 0.8 * DENSER
"""HU above healthy lung that the edge of an opacity has at least."""

TUBE, WIDTH = 110.0, 3.0
"""HU of the curvature across a tube, at least, and the scale in mm at which it is looked for. That is best for a radius
of 4 mm: thinner vessels leave no room for a ball, and at a larger scale opacities look like tubes, too."""

THICK, THICK_AT_HILUM = 3.0, 6.0
"""Radius in mm of the ball that fits into an opacity; at the hilum that of the largest vessels."""

HILUM = 50.0
"""mm around the middle of a lung's medial side in which its large vessels lie."""

BESIDE = 4.0
"""mm around such a ball that are of the opacity, too."""

SMALLEST = 0.3
"""ml of an opacity, at least."""

MOVED = 25.0
"""HU by which thresholds are moved to see what the measures owe to them."""


@dataclass(frozen=True)
class Opacities:
    """The opacities of a CT.

    Attributes
    ----------
    labels : Volume
        uint8 on the grid of the lungs: 1 ground glass, 2 consolidation.
    fewer, more : ndarray of bool, shape (z, y, x)
        Opacities with thresholds moved up and down by `MOVED`; they and the next go on for some mm beyond the lungs.
    reach : ndarray of bool, shape (z, y, x)
        The opacities.
    healthy_hu : float or None
        HU of healthy lung, in the middle between front and back; None where the CT shows none, and of opacities that
        were drawn by hand.
    """

    labels: Volume
    fewer: np.ndarray
    more: np.ndarray
    reach: np.ndarray
    healthy_hu: float | None = None


def find_opacities(ct: Volume, lungs: Volume) -> Opacities:
    """Find ground glass and consolidation in lungs.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.

    Returns
    -------
    Opacities
    """
    labels = np.zeros(lungs.array.shape, np.uint8)
    found = [np.zeros(labels.shape, bool) for _ in range(3)]
    healthy_hu = None
    if lungs.array.any():
        box = box_of(lungs.array > 0, 2 * STEP)
        hu, sides = ct.array[box], lungs.array[box]
        coarse, middles = _block_mean(hu), _middles(sides)
        healthy = healthy_density(coarse, eroded(middles > 0, 2 * RIM, STEP), STEP)
        healthy_hu = None if (healthy == UNKNOWN).all() else round(float(np.median(healthy)), 1)
        scores, high = _scores(coarse, middles, healthy)
        for mask, score in zip(found, scores, strict=True):
            mask[box] = _finely(score, hu.shape) > 0.5
        inside = found[1][box] & (sides > 0)
        labels[box] = np.where(inside, np.where(_finely(high, hu.shape) > 0.5, CONSOLIDATION, GROUND_GLASS), 0)
    fewer, reach, more = found
    return Opacities(lungs.with_array(labels), fewer, more, reach, healthy_hu)


def corrected_opacities(mask: Volume, lungs: Volume) -> Opacities:
    """Opacities that were drawn or corrected by hand: no threshold has a part in them.

    Parameters
    ----------
    mask : Volume
        1 ground glass, 2 consolidation, any geometry.
    lungs : Volume
        1 right lung, 2 left lung, on the 1 mm working grid. What lies outside them is left out.

    Raises
    ------
    InputError
        If the mask has other labels.
    """
    labels = labels_on(mask, lungs.geometry)
    if not np.isin(labels.array, (0, GROUND_GLASS, CONSOLIDATION)).all():
        raise InputError(
            f"A mask of opacities has the labels {GROUND_GLASS} for ground glass and {CONSOLIDATION} for "
            "consolidation, and this one has others; give one as opacities.nrrd is."
        )
    labels = labels.with_array(np.where(lungs.array > 0, labels.array, 0).astype(np.uint8))
    reach = labels.array > 0
    return Opacities(labels, reach, reach, reach)


def _scores(hu: np.ndarray, sides: np.ndarray, healthy: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """For thresholds that are higher, as they are, and lower: above 0.5 in opacities. And that of high opacity."""
    lung = sides > 0
    core = eroded(lung, RIM, STEP)
    dense = np.clip(hu, healthy, DENSEST) - healthy
    denser = (dense > DENSER) & core
    likely = _mostly(denser, core, AROUND) & lung
    opacities = _thick(likely, _vessels(np.where(core, dense, 0), denser), sides)
    threshold = _edge(dense, opacities, opacities & core, lung)
    # Outside the lungs the opacities go on, so that those on a finer grid reach the boundary.
    beyond = dilated(opacities, BESIDE, STEP) & ~lung
    scores = []
    for moved in (MOVED, 0.0, -MOVED):
        score = _share((dense > threshold + moved) & core, core, NEAR)
        kept = without_small(opacities & (score > 0.5), SMALLEST, STEP)
        # Mirrored, so that half-way between the blocks the edge is drawn where what is left out is as dense.
        scores.append(np.where(kept | beyond, score, np.minimum(score, 1 - score)))
    return scores, _share((hu > HIGH_OPACITY) & core, core, NEAR)


def _vessels(dense: np.ndarray, denser: np.ndarray) -> np.ndarray:
    """Tubes in the lungs, and not what is round: that may be an opacity."""
    return dilated(tubes(dense, denser, WIDTH, TUBE, balls=False, spacing=STEP), WIDTH, STEP) & denser


def _thick(likely: np.ndarray, vessels: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """What is no vessel: thick enough for where it lies, or against the chest wall."""
    lung, other = sides > 0, likely & ~vessels
    kept = opened(other | ~lung, THICK, STEP) & other
    central = _near_hilum(sides)
    if (other & central).any():
        near = box_of(central, int(THICK_AT_HILUM) + STEP)
        wall = ~with_mediastinum(lung[near])
        kept[near] &= ~central[near] | opened(other[near] | wall, THICK_AT_HILUM, STEP)
    return without_small(dilated(kept, BESIDE, STEP) & likely, SMALLEST, STEP)


def with_mediastinum(lung: np.ndarray) -> np.ndarray:
    """Lungs with what lies between them, bool (z, y, x)."""
    from_right, from_left = np.maximum.accumulate(lung, axis=2), np.maximum.accumulate(lung[..., ::-1], axis=2)
    return from_right & from_left[..., ::-1]


def _near_hilum(sides: np.ndarray) -> np.ndarray:
    """What lies around the middle of the medial side of each lung."""
    near = np.zeros(sides.shape, bool)
    for label, medial in ((RIGHT, 98), (LEFT, 2)):
        lung = np.nonzero(sides == label)
        if not len(lung[0]):
            continue
        z, y, x = lung
        z0, y0 = np.median(z), np.median(y)
        level = (np.abs(z - z0) < 8) & (np.abs(y - y0) < 8)
        x0 = np.percentile(x[level] if level.any() else x, medial)
        axes = np.ogrid[tuple(slice(n) for n in sides.shape)]
        squares = sum((axis - at) ** 2 for axis, at in zip(axes, (z0, y0, x0), strict=True))
        near |= (sides == label) & (squares < (HILUM / STEP) ** 2)
    return near


def _edge(dense: np.ndarray, opacities: np.ndarray, inner: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """HU above healthy lung at which the edge of each opacity lies, by how dense it is inside."""
    inside = inner & eroded(opacities | ~lung, STEP, STEP)
    weight = _smoothed(inside, BESIDE)
    density = _smoothed(dense * inside, BESIDE) / np.maximum(weight, 1e-3)
    return np.maximum(np.where(weight > 0.01, EDGE * density, DENSER), LEAST_EDGE)


def _mostly(mask: np.ndarray, within: np.ndarray, sigma: float) -> np.ndarray:
    return _share(mask, within, sigma) > 0.5


def _share(mask: np.ndarray, within: np.ndarray, sigma: float) -> np.ndarray:
    """The share of the neighbourhood of each voxel, as far as it lies within something, that is in a mask."""
    return _smoothed(mask, sigma) / np.maximum(_smoothed(within, sigma), 1e-3)


def _smoothed(values: np.ndarray, sigma: float) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(values.astype(np.float32), sigma / STEP, truncate=3)


def _block_mean(array: np.ndarray) -> np.ndarray:
    """Means of blocks of `STEP` voxels along each side, float32; what lacks at the end is repeated."""
    padded = np.pad(array, [(0, -n % STEP) for n in array.shape], mode="edge").astype(np.float32)
    for axis in range(3):
        shape = padded.shape[:axis] + (-1, STEP) + padded.shape[axis + 1 :]
        padded = padded.reshape(shape).mean(axis=axis + 1)
    return padded


def _middles(labels: np.ndarray) -> np.ndarray:
    """Labels of the blocks, each that which most of it has: of lung, or 0."""
    right, left = (_block_mean(labels == label) for label in (RIGHT, LEFT))
    found = np.where(right >= left, RIGHT, LEFT).astype(np.uint8)
    found[right + left <= 0.5] = 0
    return found


def _finely(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values of the blocks on the fine grid, linear between their centres."""
    middle = (STEP - 1) / 2
    blocks = Geometry(triple(coarse.shape[::-1]), (float(STEP),) * 3, (middle,) * 3)
    return linear_on(Volume(coarse.astype(np.float32), blocks), Geometry(triple(shape[::-1])), extrapolate=True).array
