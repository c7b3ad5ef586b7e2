"""Where opacities lie in lungs: scores in mm on a coarse grid, high where a kind of opacity comes first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from COVIDMTLLib.imaging.labels import RIGHT
from COVIDMTLLib.segmentation.left_right import right_and_left

STEP = 3
"""mm between the voxels of the coarse grid."""

MASS_DIAMETERS = 20.0, 60.0  # mm


@dataclass(frozen=True)
class Lungs:
    """Lungs on the coarse grid, (z, y, x): from the base up, from the front to the back, from right to left.

    Attributes
    ----------
    mask : ndarray of bool
    hu : ndarray of float32
    depth : ndarray of float32
        mm below the pleura.
    side : ndarray of int
        -1 where the right lung is nearest, 1 where the left one is.
    """

    mask: np.ndarray
    hu: np.ndarray
    depth: np.ndarray
    side: np.ndarray

    @classmethod
    def of(cls, lung: np.ndarray, hu: np.ndarray) -> Lungs:
        """From the mask and the HU at 1 mm, in the box of the lungs."""
        from scipy import ndimage

        # One more voxel at the end, so that the coarse grid covers the box.
        padding = [(0, STEP)] * 3
        labels = np.pad(right_and_left(lung, hu), padding)[::STEP, ::STEP, ::STEP]
        mask = labels > 0
        depth = STEP * ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
        nearest = ndimage.distance_transform_edt(~mask, return_distances=False, return_indices=True)
        side = np.where(labels[tuple(nearest)] == RIGHT, -1, 1)
        return cls(mask, np.pad(hu, padding, "edge")[::STEP, ::STEP, ::STEP], depth, side)

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates in mm along z, y, x, each to be broadcast, from the corner of the box."""
        return tuple(STEP * axis.astype(np.float32) for axis in np.indices(self.mask.shape, sparse=True))

    def field(self, grain: float, rng: np.random.Generator) -> np.ndarray:
        """A smooth random field of mean 0 and deviation 1 with structures of about ``grain`` mm."""
        from scipy import ndimage

        noise = rng.standard_normal(self.mask.shape, np.float32)
        smooth = ndimage.gaussian_filter(noise, grain / 2 / STEP, mode="wrap")
        return (smooth - smooth.mean()) / smooth.std()

    def air(self) -> np.ndarray:
        """HU of aerated lung around each voxel, without its vessels."""
        from scipy import ndimage

        aerated = (self.mask & (self.hu < -600)).astype(np.float32)
        if not aerated.any():
            aerated = (self.mask & (self.hu < -500)).astype(np.float32)
        # Far from all aerated lung it is that of the lungs as a whole.
        little = 1e-3
        mean = np.average(self.hu, weights=aerated)
        around, weight = (ndimage.gaussian_filter(part, 10 / STEP) for part in (self.hu * aerated, aerated))
        return (around + little * mean) / (weight + little)


def peripheral(lungs: Lungs, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Patches below the pleura of both lungs, more at the back and at the bases, as in COVID-19."""
    z, y, _x = lungs.axes
    patches = rng.uniform(9, 13) * lungs.field(rng.uniform(28, 45), rng) + 3 * lungs.field(9, rng)
    back, down, aside = rng.uniform(0, 0.1), rng.uniform(-0.02, 0.05), rng.normal(0, 4)
    return patches - lungs.depth + back * y - down * z + aside * lungs.side


def posterior(lungs: Lungs, rng: np.random.Generator, amount: float) -> np.ndarray:
    """The dependent parts: the back, and the bases more than the tops; often more of one lung."""
    z, y, _x = lungs.axes
    rough = rng.uniform(12, 20) * lungs.field(rng.uniform(35, 55), rng) + 5 * lungs.field(14, rng)
    return rough + 0.7 * y - rng.uniform(0.1, 0.3) * z - 0.4 * lungs.depth + rng.normal(0, 15) * lungs.side


def lobar(lungs: Lungs, rng: np.random.Generator, amount: float) -> np.ndarray:
    """A lower lobe, an upper lobe or a whole lower part of one lung, and what is next to it if it does not suffice."""
    z, y, _x = lungs.axes
    rough = rng.uniform(6, 10) * lungs.field(rng.uniform(30, 50), rng) + 4 * lungs.field(14, rng)
    slope = np.radians(rng.uniform(35, 55))
    oblique = np.sin(slope) * y - np.cos(slope) * z  # grows backwards and downwards, across the oblique fissure
    towards = [oblique, -oblique, 0.3 * y - z][rng.integers(3)]
    one_lung = rng.choice([-1, 1]) * rng.uniform(25, 90)
    return rough + towards + one_lung * lungs.side


def masses(lungs: Lungs, rng: np.random.Generator, amount: float) -> np.ndarray:
    """Round masses at the pleura and in the middle, as many as it takes."""
    z, y, x = lungs.axes
    score = np.full(lungs.mask.shape, -1e3, np.float32)
    wanted = amount * np.count_nonzero(lungs.mask)
    lobed = rng.uniform(0.5, 1.5) * lungs.field(14, rng)
    while True:
        radius = rng.uniform(*MASS_DIAMETERS) / 2
        at_pleura = rng.random() < 0.6
        fits = lungs.depth < 0.6 * radius if at_pleura else lungs.depth > min(radius, 0.7 * lungs.depth.max())
        free = np.argwhere(lungs.mask & fits & (score < -0.7 * radius))
        if not len(free):
            free = np.argwhere(lungs.mask & (score < 0))
        centre = STEP * free[rng.integers(len(free))]
        away = np.sqrt(sum((axis - at) ** 2 for axis, at in zip((z, y, x), centre, strict=True)))
        score = np.maximum(score, radius - away + lobed)
        if np.count_nonzero(lungs.mask & (score > 0)) >= wanted:
            return score
