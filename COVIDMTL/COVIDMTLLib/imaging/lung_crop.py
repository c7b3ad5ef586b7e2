"""What the 3D networks see of a CT: its lungs in a crop of fixed size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .volume import HU_RANGE, WORKING_SPACING, Geometry, Volume, labels_on, linear_on, triple

BOX = (340, 390, 390)
"""Voxels (z, y, x) of the box in which the paper's authors centre a lung volume."""

CROP = (200, 250, 250)
"""Voxels (z, y, x) that a network sees (section 5.1)."""

START = (70, 70, 70)
"""Where the crop starts in the box at test time: in the middle of it, and so in the middle of the CT."""

HIGHEST = 2000
"""Largest value of HU + 1024 that is kept."""

MEAN, STD = 16.71, 85.17
"""Of the lung volumes of the cohort, most voxels of which are 0."""


@dataclass(frozen=True)
class Crop:
    """Which crop of a CT a network takes, and how its values are scaled; by default as the paper's networks do.

    Attributes
    ----------
    box, start, size : sequence of 3 int
        Voxels (z, y, x) of the box in whose middle the CT lies, the first of the crop in it, and how many it has.
    clip, mean, std : float
        Of HU + 1024.
    spacing : float
        Of the voxels that the network sees, in mm; by default those of the working grid.
    """

    box: Sequence[int] = BOX
    start: Sequence[int] = START
    size: Sequence[int] = CROP
    clip: float = HIGHEST
    mean: float = MEAN
    std: float = STD
    spacing: float = WORKING_SPACING


PUBLISHED = Crop()


def prepare(ct: Volume, lungs: np.ndarray, crop: Crop = PUBLISHED) -> Volume:
    """The lung volume of a CT as the networks take it.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the same grid; every value but 0 is lung.
    crop : Crop

    Returns
    -------
    Volume
        float32 of the crop's size: HU + 1024 inside the lungs and 0 elsewhere, up to its ``clip``, then less ``mean``
        and over ``std``. Its geometry says where the crop lies, which may be beyond the CT.
    """
    ct, lungs = at_spacing(ct, lungs, crop.spacing)
    size, boxed = crop.size, zip(crop.start, crop.box, ct.array.shape, strict=True)
    first = [begin - _margin(outer, inner) for begin, outer, inner in boxed]
    inside = tuple(slice(max(0, f), max(0, f + n)) for f, n in zip(first, size, strict=True))
    values = np.clip(ct.array[inside].astype(np.float32) - HU_RANGE[0], 0, crop.clip)
    values[lungs[inside] == 0] = 0
    seen = np.zeros(size, np.float32)
    seen[tuple(slice(max(0, -f), max(0, -f) + n) for f, n in zip(first, values.shape, strict=True))] = values
    seen -= crop.mean
    seen /= crop.std
    grid = ct.geometry
    origin = triple(grid.point_at(first[::-1]))
    return Volume(seen, Geometry(triple(size[::-1]), grid.spacing, origin, grid.direction))


def at_spacing(ct: Volume, lungs: np.ndarray, spacing: float) -> tuple[Volume, np.ndarray]:
    """A CT on the 1 mm working grid, and its lungs, as they are on voxels of another spacing in mm.

    Returns
    -------
    Volume, ndarray of uint8
        HU of the same type, and where there is lung.
    """
    if spacing == WORKING_SPACING:
        return ct, lungs
    grid = ct.geometry.with_spacing(spacing)
    mask = ct.with_array((lungs != 0).astype(np.uint8))
    return linear_on(ct, grid, extrapolate=True), labels_on(mask, grid).array


def _margin(outer: int, inner: int) -> int:
    """Voxels before an array that is centred in a box; less than 0 if it is larger. Odd ones round towards 0."""
    return int((outer - inner) / 2)
