"""Whether a CT is upside down or mirrored from front to back, as files that have lost their orientation are."""

from __future__ import annotations

import numpy as np

from ...imaging.coarse_grid import STEP
from .chest import Chest

SPINAL_BONE = 130
"""HU of vertebrae on the coarse grid."""

CURVED = 6.0
"""mm from a column along z within which the spine still lies."""

EVERY_LEVEL = 8
"""Power of the share of levels with bone that a column along z counts with, so that the spine does, which has some at
nearly every level, and neither the heart full of contrast medium nor the breastbone."""

LOW, LONG = 0.35, 45
"""Share of the height of the lungs below which the middle of the airways lies in a CT that is upside down, and mm of
airways from which that tells: a part of a chest may show the lowest alone."""

MOSTLY = 2.0
"""How many times as much of the spine there is in front as behind, from which a CT is mirrored."""


def mirrored_axes(chest: Chest) -> tuple[int, ...]:
    """Axes of a CT along which it is mirrored: 0 if it is upside down, 1 if its front lies behind.

    The trachea and the main bronchi go up from the middle of the lungs, which are narrower there, and the spine is
    behind it.

    Parameters
    ----------
    chest : Chest

    Returns
    -------
    tuple of int
        None without aerated lung.
    """
    from scipy import ndimage

    if not chest.lung.any():
        return ()
    axes = []
    levels, rows = (np.flatnonzero(chest.lung.any(axis=others)) for others in ((1, 2), (0, 2)))
    airways = np.flatnonzero(chest.in_airways.any(axis=(1, 2)))
    low = len(airways) * STEP >= LONG and airways.mean() < levels[0] + LOW * (levels[-1] - levels[0])
    quarter = len(levels) // 4 + 1
    if low and _width(chest.lung[levels[:quarter]]) < _width(chest.lung[levels[-quarter:]]):
        axes.append(0)
    bone = chest.coarse[levels[0] : levels[-1] + 1] > SPINAL_BONE
    around = 2 * int(CURVED / STEP) + 1
    spine = ndimage.maximum_filter(bone, (1, around, around)).mean(axis=0) ** EVERY_LEVEL
    middle = (rows[0] + rows[-1]) // 2
    if spine[:middle].sum() > MOSTLY * spine[middle:].sum():
        axes.append(1)
    return tuple(axes)


def _width(lung: np.ndarray) -> float:
    """Coarse voxels from the right to the left side of lungs (z, y, x), on average over levels that all have some."""
    along_x = np.asarray(lung.any(axis=1))
    return float(np.mean(along_x.shape[1] - along_x[:, ::-1].argmax(axis=1) - along_x.argmax(axis=1)))


def warn_of_orientation(chest: Chest, name: str = "The volume") -> list[str]:
    """A warning about a CT that is mirrored.

    Parameters
    ----------
    chest : Chest
    name : str
        What to call the CT.
    """
    wrong = {0: "its head end lies below", 1: "its front lies behind"}
    seen = [wrong[axis] for axis in mirrored_axes(chest)]
    if not seen:
        return []
    return [
        f"{name} seems to have lost its orientation, for {' and '.join(seen)}: right and left may be exchanged, too; "
        "convert it again from its DICOM files."
    ]
