"""The inner surface of the chest wall, from the ribs and from the aerated lung that lies against it.

For each half of the chest it is a distance from an axis in each direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ...imaging.coarse_grid import STEP, dilated, eroded, without_small
from .chest_axes import Frame
from .tissue_classifier import fat_like

DIRECTIONS = 96
ANGLES = np.linspace(-np.pi, np.pi, DIRECTIONS, endpoint=False)
"""Directions from an axis: 0 to the side, pi to the middle of the body, those above 0 to the back."""

COSTAL = (np.cos(ANGLES) > -0.3) & (np.sin(ANGLES) > -0.5)
"""Directions in which there are ribs: neither to the middle nor to the front."""

REACHED = COSTAL | ((np.cos(ANGLES) > np.cos(np.deg2rad(80))) & (np.sin(ANGLES) < 0))
"""Directions in which aerated lung, where there is some, lies against the wall: those with ribs, and those to the front
but for the middle, where the heart may lie."""

FAR = 1e3
"""Distance of lung that is not met."""

RIB, AROUND_RIB = 130, 100
"""HU of a rib on the coarse grid, where thick slices blur it, and of what holds the pieces of one together."""

BEHIND, CERTAINLY = 9, 20.0
"""mm beyond aerated lung within which bone is a rib for certain, and how many times as much it counts."""

GAP = 12
"""mm between aerated lung and ribs that healthy lungs do not have."""

MUCH_MISSING, MOST_MISSING = 0.21, 0.5
"""Share of the directions to the wall without aerated lung, from which lung is dense if there is ground glass beside
it, and from which it is so anyway: a raised diaphragm leaves out less."""

BLURRED = 0.02
"""Ground glass as a share of the lung, from which there is some beside dense lung; a diaphragm is sharp."""

FATTY = 0.35
"""Share of fat between aerated lung and bone, from which there is muscle between them and the bone is no rib, but
a shoulder blade: dense lung holds no fat, and its blurred boundary looks like little of it."""

SMALLEST_RIB = 1.0
"""ml of a piece of a rib, at least; vessels with contrast medium in dense lung fall into smaller ones."""

THICKEST_RIB, SPINE = 14.0, 36.0
"""mm through a rib, at most, and to the sides of the middle up to which what is thicker is spine."""

INTERCOSTAL = 11, 5
"""Slices and directions that more than span the gap between two ribs."""

NEAR_RIB, BEHIND_RIB = 7, 9
"""Levels and directions in which one rib at least is met, and mm beyond the nearest of them up to which the wall may
lie: the chest narrows towards the apex."""

NO_RIB, LEVELS_AROUND, DIRECTIONS_AROUND = 12.0, 21, 9
"""mm by which bone is nearer than that around it, from which it is no rib, and the levels and directions around it:
vessels with contrast medium in dense lung are seen in a few directions at a few levels."""

APICES_APART, BASES_APART = 15, 45
"""mm by which one apex may be higher than the other, and one half of the diaphragm."""

AT_LUNG = 1.5
"""Coarse voxels from the last aerated lung to a wall that it lies against."""

EDGE = 0.3
"""Coarse voxels from the last one that is aerated to the edge of the lung, which is seen blurred."""

APICAL = 28
"""mm below the apex down to which ribs say nothing of the front, and lie nearer the higher they are."""

WRAP = ("nearest", "wrap")


@dataclass(frozen=True)
class Rays:
    """Distances from an axis in coarse voxels, of shape (z, DIRECTIONS).

    Of the wall, of the first and the last aerated lung, and of the first bone beyond, far away where there is none.
    """

    wall: np.ndarray
    first: np.ndarray
    last: np.ndarray
    bone: np.ndarray


class Tissue(NamedTuple):
    """What the chest wall is told by, bool of shape (z, y, x): bone that may be ribs, and what is as dense as fat."""

    ribs: np.ndarray
    fat: np.ndarray


def tissue_of(frame: Frame, coarse: np.ndarray) -> Tissue:
    """What rays meet beside lung.

    Of bone neither vessels nor organs that contrast medium makes as dense: those are small or thick.

    Parameters
    ----------
    frame : Frame
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    """
    bone = (coarse > RIB) & without_small(coarse > AROUND_RIB, SMALLEST_RIB)
    thick = dilated(eroded(bone, THICKEST_RIB / 2), THICKEST_RIB)
    thick[:, :, np.abs(np.arange(bone.shape[2]) - frame.middle) * STEP < SPINE] = False
    return Tissue(bone & ~thick, fat_like(coarse))


def rays_of(frame: Frame, which: int, tissue: Tissue, lung: np.ndarray, certain: bool = True) -> Rays:
    """What is met from the axis of one half of the chest.

    Parameters
    ----------
    frame : Frame
    which : int
        The half: which way along x it lies, -1 or 1.
    tissue : Tissue
    lung : ndarray of bool, shape (z, y, x)
        Aerated lung.
    certain : bool
        Take bone right behind aerated lung for a rib for certain. Beside dense lung it is as often something else.
    """
    from scipy import ndimage

    reach = int(1.8 * frame.width)
    aerated = _along_rays(frame, which, lung, reach)
    # Beyond the middle the lung is the other one.
    steps = np.arange(reach)
    to_middle = np.full((len(lung), DIRECTIONS), reach - 1.0)
    inward = np.cos(ANGLES) < -0.05
    to_middle[:, inward] = (frame.aside[:, None] + 3) / -np.cos(ANGLES[inward])
    aerated &= steps < to_middle[..., None]
    some = aerated.any(axis=2)
    last = np.where(some, reach - 1 - aerated[:, :, ::-1].argmax(axis=2), 0)
    bone = _along_rays(frame, which, tissue.ribs, reach)
    bone &= steps >= np.maximum(last - 1, 15 / STEP)[..., None]
    bone &= steps >= _no_rib_within(frame, _first(bone))[..., None]
    wall = np.minimum(_wall(bone, last.astype(np.float32), to_middle, CERTAINLY if certain else 1.0), to_middle)
    first_bone = _first(bone)
    beyond_ribs = ndimage.minimum_filter(first_bone, NEAR_RIB, mode=WRAP) + BEHIND_RIB / STEP
    wall = np.where(COSTAL, np.minimum(wall, np.maximum(beyond_ribs, last + AT_LUNG)), wall)
    fat = _along_rays(frame, which, tissue.fat, reach)
    muscle = _holds_fat(fat, np.where(some, last, FAR), wall)
    return Rays(np.where(muscle, last + AT_LUNG, wall), _first(aerated), np.where(some, last, FAR), first_bone)


def _holds_fat(fat: np.ndarray, last: np.ndarray, wall: np.ndarray) -> np.ndarray:
    """Directions, of shape (z, DIRECTIONS), in which what lies between aerated lung and bone holds fat.

    Parameters
    ----------
    fat : ndarray of bool, shape (z, DIRECTIONS, reach)
        What is as dense as fat along the rays.
    last, wall : ndarray of shape (z, DIRECTIONS)
        Distance of the last aerated lung, and of the wall as the bones have it.
    """
    from scipy import ndimage

    apart = ndimage.binary_opening(((wall - last) * STEP > GAP) & COSTAL, np.ones((3, 5), bool))
    steps = np.arange(fat.shape[2])
    # Aerated lung and what touches the bone are seen blurred.
    between = (steps >= last[..., None] + 3) & (steps < wall[..., None] - 1)
    regions, count = ndimage.label(apart)
    of_fat, of_all = (
        ndimage.sum_labels(np.count_nonzero(what, axis=2), regions, np.arange(count + 1))
        for what in (fat & between, between)
    )
    return apart & (of_fat > FATTY * of_all)[regions]


def _no_rib_within(frame: Frame, bone: np.ndarray) -> np.ndarray:
    """Distances, of shape (z, DIRECTIONS), within which bone is no rib, from those of the first bone.

    0 where there are no ribs around, and near the apex, towards which the chest narrows.
    """
    from scipy import ndimage

    margin = DIRECTIONS_AROUND // 2
    around = np.pad(ndimage.grey_opening(bone, INTERCOSTAL, mode=WRAP), ((0, 0), (margin, margin)), mode="wrap")
    around = ndimage.median_filter(around, (LEVELS_AROUND, DIRECTIONS_AROUND), mode="nearest")[:, margin:-margin]
    return np.where((around < FAR) & ~_apical(frame, len(bone)), around - NO_RIB / STEP, 0)


def without_collarbone(frame: Frame, rays: Rays) -> np.ndarray:
    """The wall, but near the lung in front of the apex: the first rib and the collarbone do not lie against it."""
    from scipy import ndimage

    apical = _apical(frame, len(rays.wall)) & (np.sin(ANGLES) < 0.2)
    reached = ndimage.maximum_filter(np.where(rays.last < FAR, rays.last, 0), (3, 5), mode=WRAP)
    return np.where(apical & (reached > 0), np.minimum(rays.wall, reached + AT_LUNG), rays.wall)


def _apical(frame: Frame, levels: int) -> np.ndarray:
    """Which levels are near the apex or above it, bool of shape (levels, 1)."""
    return ((frame.apex - np.arange(levels)) * STEP < APICAL)[:, None]


def _first(mask: np.ndarray) -> np.ndarray:
    """The first step of each ray at which a mask (z, DIRECTIONS, reach) holds, `FAR` if none."""
    return np.where(mask.any(axis=2), mask.argmax(axis=2), FAR)


def aerated_levels(rays: Rays) -> tuple[int, int]:
    """The first and the last level with much aerated lung."""
    lengths = np.count_nonzero(rays.last < FAR, axis=1)
    levels = np.flatnonzero(lengths > 0.1 * lengths.max())
    return int(levels[0]), int(levels[-1])


def away_from_wall(wall: np.ndarray, rays: Rays, levels: tuple[int, int], glass: float) -> tuple[float, np.ndarray]:
    """Share of the directions in which aerated lung lies away from the chest wall, and which they are.

    What lies between is dense there. The directions are bool of shape (z, DIRECTIONS); the share is one of those with
    ribs.

    The share counts as 1 if in many directions there is no aerated lung at all: of the levels at which it has some, and
    of those at which the other half of the chest does, but for what apices, and the halves of a diaphragm, lie apart.

    Parameters
    ----------
    wall : ndarray of shape (z, DIRECTIONS)
        Distance of the wall from the axis.
    rays : Rays
    levels : (int, int)
        The lowest and the highest level with aerated lung in either half.
    glass : float
        Ground glass in this half of the chest, as a share of the lung in it.
    """
    from scipy import ndimage

    some = rays.last < FAR
    # Nothing lies beyond the nearest rib; a vessel or a fissure opens a gap in a few neighbouring directions alone.
    nearest = np.minimum(wall, ndimage.minimum_filter(rays.bone, NEAR_RIB, mode=WRAP))
    gap = ndimage.grey_opening(np.where(some, np.maximum(nearest - rays.last, 0), 0), (3, 5), mode=WRAP) * STEP
    first, last = aerated_levels(rays)
    first, last = min(first, levels[0] + BASES_APART // STEP), max(last, levels[1] - APICES_APART // STEP)
    away = (gap > GAP) & some & REACHED
    away[:first] = away[last:] = False
    some = some[first:last, COSTAL]
    if 1 - some.mean() > (MUCH_MISSING if glass > BLURRED else MOST_MISSING):
        return 1.0, away
    return np.count_nonzero(away) / np.count_nonzero(some), away


def _along_rays(frame: Frame, which: int, mask: np.ndarray, reach: int) -> np.ndarray:
    """A mask along the rays from an axis, a coarse voxel a step: bool of shape (z, DIRECTIONS, reach)."""
    steps = np.arange(reach)
    y = frame.depth[:, None, None] + steps * np.sin(ANGLES)[:, None]
    x = frame.middle + which * (frame.aside[:, None, None] + steps * np.cos(ANGLES)[:, None])
    y, x = (np.clip(np.rint(at).astype(np.int32), 0, size - 1) for at, size in zip((y, x), mask.shape[1:], strict=True))
    return mask[np.arange(len(mask))[:, None, None], y, x]


def _smoothed(values: np.ndarray, weights: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Weighted Gaussian means on a surface, and how much weight there is around."""
    from scipy import ndimage

    around = ndimage.gaussian_filter(weights, sigma, mode=WRAP)
    return ndimage.gaussian_filter(values * weights, sigma, mode=WRAP) / np.maximum(around, 1e-6), around


def _wall(bone: np.ndarray, lung: np.ndarray, to_middle: np.ndarray, certainly: float) -> np.ndarray:
    """Distance of the wall from the axis: of the ribs, and of the lung where it lies against them.

    Parameters
    ----------
    bone : ndarray of bool, shape (z, DIRECTIONS, reach)
        Bone along the rays, beyond the aerated lung.
    lung : ndarray of float32, shape (z, DIRECTIONS)
        Distance of the last aerated lung, 0 if there is none.
    to_middle : ndarray of shape (z, DIRECTIONS)
        Distance of the middle of the body.
    certainly : float
        How much bone right behind aerated lung counts.
    """
    from scipy import ndimage

    hit = bone.any(axis=2)
    ribs = np.where(hit, bone.argmax(axis=2) - 1, FAR).astype(np.float32)
    # Between two ribs a ray goes on to the shoulder blade, the arm or nothing. The wall there follows from the ribs
    # around: taken to be as far as the farther one, it would lie too far out where the chest narrows to the apex.
    hit &= ribs <= ndimage.grey_opening(ribs, INTERCOSTAL, mode=WRAP) + 1
    ribs[~hit] = 0
    usable = (hit & (ribs < to_middle)).astype(np.float32)
    if usable.sum() < DIRECTIONS:
        return lung + 1
    # Bone right behind aerated lung is a rib for certain.
    weight = usable * np.where((lung > 0) & (ribs - lung < BEHIND / STEP), certainly, 1).astype(np.float32)
    wall = _fitted(ribs, weight, (8, 4, 2))

    # How far the lung lies from the ribs. Where it is dense it seems to lie farther.
    edge = lung + EDGE
    gap = (edge - wall)[:, np.cos(ANGLES) > -0.3]
    gap = gap[(lung[:, np.cos(ANGLES) > -0.3] > 0) & (np.abs(gap) < 3)]
    usual = float(np.percentile(gap, 75)) if len(gap) > 200 else 0.0
    wall, ribs = wall + usual, ribs + usual
    near_ribs = np.minimum(usable, 1) * (np.abs(ribs - wall) < 2.5)
    touching = 2.0 * ((lung > 0) & (lung > wall - EDGE))
    weight = (near_ribs + touching).astype(np.float32)
    values = (ribs * near_ribs + edge * touching) / np.maximum(weight, 1e-6)
    return _fitted(values.astype(np.float32), weight, (5, 3, 2, 1), wall)


def _fitted(
    values: np.ndarray, weight: np.ndarray, sigmas: tuple[float, ...], found: np.ndarray | None = None
) -> np.ndarray:
    """A smooth surface through values: the smoother, the fewer there are around."""
    for sigma in sigmas:
        mean, around = _smoothed(values, weight, sigma)
        share = np.clip(4 * around, 0, 1)
        found = mean if found is None else share * mean + (1 - share) * found
    assert found is not None, "there is a sigma at least"
    return found
