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

MOSTLY = 2.0
"""How many times as much of the spine there is in front as behind, from which a CT is mirrored."""


def mirrored_axes(chest: Chest) -> tuple[int, ...]:
    """Axes of a CT along which it is mirrored: 0 if it is upside down, 1 if its front lies behind.

    The trachea and the main bronchi are above the middle of the lungs, and the spine behind it.

    Parameters
    ----------
    chest : Chest
        With aerated lung.
    """
    from scipy import ndimage

    axes = []
    levels, rows = (np.flatnonzero(chest.lung.any(axis=others)) for others in ((1, 2), (0, 2)))
    airways = np.flatnonzero(chest.in_airways.any(axis=(1, 2)))
    if len(airways) and airways[0] + airways[-1] < levels[0] + levels[-1]:
        axes.append(0)
    bone = chest.coarse[levels[0] : levels[-1] + 1] > SPINAL_BONE
    around = 2 * int(CURVED / STEP) + 1
    spine = ndimage.maximum_filter(bone, (1, around, around)).mean(axis=0) ** EVERY_LEVEL
    middle = (rows[0] + rows[-1]) // 2
    if spine[:middle].sum() > MOSTLY * spine[middle:].sum():
        axes.append(1)
    return tuple(axes)
