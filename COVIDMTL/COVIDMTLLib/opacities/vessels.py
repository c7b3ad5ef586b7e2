"""The vessels of the lungs: denser than the patient's own healthy lung, curved as a tube is, and no opacity."""

from __future__ import annotations

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.coarse_grid import STEP, block_mean, eroded, interpolated, without_small
from ..imaging.volume import Volume
from .detection import DENSER, DENSEST, RIM, find_opacities
from .healthy_lung import healthy_density
from .tubes import tubes

SCALES = {1.0: 30.0, 2.0: 80.0, 4.0: 150.0}
"""Scales in mm, and the curvature across a tube, at least, in HU. Blood in lung has 330 HU; a narrow tube fills its
voxels in part, and a wide one has to be that dense."""

REACH = 1.5
"""Standard deviations from the middle of a tube to its wall, and a little more."""

WALL = 0.4
"""Share of the density of a vessel above healthy lung at which its wall lies."""

LEAST = 0.05
"""ml of a piece of a vessel, at least."""


def find_vessels(ct: Volume, lungs: Volume, opacities: Volume | None = None) -> Volume:
    """Find the vessels in lungs.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.
    opacities : Volume, optional
        Labels on the same grid, in which no vessels are told; found by `find_opacities` if left out.

    Returns
    -------
    Volume
        uint8 on the same grid: 1 vessel.
    """
    vessels = np.zeros(lungs.array.shape, np.uint8)
    if lungs.array.any():
        opaque = (find_opacities(ct, lungs).labels if opacities is None else opacities).array > 0
        box = box_of(lungs.array > 0)
        vessels[box] = _vessels(ct.array[box], lungs.array[box] > 0, opaque[box])
    return lungs.with_array(vessels)


def _vessels(hu: np.ndarray, lung: np.ndarray, opaque: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    inner = ndimage.binary_erosion(lung, iterations=int(RIM))
    healthy = _healthy(hu, lung)
    dense = np.clip(hu, healthy, DENSEST) - healthy
    dense[~inner] = 0
    likely = (dense > DENSER) & ~opaque
    near = np.zeros(lung.shape, bool)
    for scale, least in SCALES.items():
        near |= ndimage.binary_dilation(tubes(dense, likely, scale, least), iterations=round(REACH * scale))
    near &= likely & (dense > WALL * ndimage.maximum_filter(dense, 5))
    return without_small(near, LEAST, 1.0)


def _healthy(hu: np.ndarray, lung: np.ndarray) -> np.ndarray:
    """HU of healthy lung in each row from front to back, shape (1, y, 1)."""
    coarse = healthy_density(block_mean(hu), eroded(block_mean(lung) > 0.5, 2 * RIM), STEP)
    return interpolated(coarse, (1, hu.shape[1], 1))
