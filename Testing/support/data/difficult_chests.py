"""Chests that are hard to segment, made from a CT whose lungs are known: each is drawn with the noise of the CT."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from COVIDMTLLib.imaging.labels import LEFT, RIGHT
from COVIDMTLLib.imaging.volume import Geometry, Volume, linear_on
from COVIDMTLLib.segmentation.left_right import right_and_left
from support.data.planted_textures import Noise

FLUID, TISSUE, GAS = 12, 35, -1000  # HU
MIXED = -650, -100
"""HU of voxels around the lungs that are a mix of lung and chest wall."""


@dataclass(frozen=True)
class Chest:
    """A CT to be changed.

    Attributes
    ----------
    hu : ndarray of float32, shape (z, y, x)
        1 mm, from the feet up, from the front to the back, from right to left.
    lungs : ndarray of uint8, shape (z, y, x)
        1 right lung, 2 left lung.
    noise : Noise
        Of the CT.
    rng : Generator
        Decides on all that varies.
    """

    hu: np.ndarray
    lungs: np.ndarray
    noise: Noise
    rng: np.random.Generator

    def one(self, side: int) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
        """A lung, and coordinates in mm along z, y, x."""
        return self.lungs == side, np.indices(self.lungs.shape, np.float32, sparse=True)

    def filled(self, share: np.ndarray, density: float, vessels: bool = False) -> np.ndarray:
        """HU with a share (0 to 1, of each voxel) of something else, and of its noise; vessels may stay in it.

        What was a mix of lung and chest wall where the share meets the border of the lungs is filled too, for what is
        dense in the lung reaches the wall; what is gas does not.
        """
        from scipy import ndimage

        share = share.astype(np.float32)
        if density > -500:
            around = ndimage.grey_dilation(share, 5)
            mixed = (self.lungs == 0) & (self.hu > MIXED[0]) & (self.hu < MIXED[1])
            share = np.where(mixed, around, share)
            if vessels:
                share = np.where(self.hu < density, share, 0)
        share = self.noise.blur(share)
        share[(self.lungs == 0) & (self.hu > MIXED[1])] = 0
        fresh = self.noise.deviation * self.noise.field(share.shape, self.rng)
        return self.hu + share * (density - self.hu) + np.sqrt(1 - (1 - share) ** 2) * fresh


def difficult(ct: Volume, lungs: Volume, kind: str, seed: int = 0) -> tuple[Volume, Volume]:
    """A chest of a kind in `KINDS`.

    Parameters
    ----------
    ct, lungs : Volume
        HU and lung mask (every value but 0) on the 1 mm working grid, of lungs that are aerated.

    Returns
    -------
    ct, lungs : Volume
        HU, int16; and what is lung of it: 1 right, 2 left. Dense lung and fluid in its place are, gas beside it is not.
    """
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    labels = right_and_left(lungs.array > 0, ct.array)
    made = KINDS[kind](Chest(ct.array.astype(np.float32), labels, Noise.of(ct.array), rng))
    hu, labels = np.rint(made[0]).astype(np.int16), made[1]
    grid = Geometry(hu.shape[::-1], ct.geometry.spacing, ct.geometry.origin, ct.geometry.direction)
    return Volume(hu, grid), Volume(labels, grid)


Made = tuple[np.ndarray, np.ndarray]


def collapsed_lower_lobes(chest: Chest) -> Made:
    """Without air below the oblique fissures of both lungs."""
    share = np.zeros(chest.hu.shape, np.float32)
    for side in (RIGHT, LEFT):
        lung, (z, y, _) = chest.one(side)
        slope = np.radians(chest.rng.uniform(40, 50))
        towards = np.sin(slope) * y - np.cos(slope) * z + 0 * lung
        cut = np.quantile(towards[lung], 1 - chest.rng.uniform(0.25, 0.35))
        share += lung * np.clip((towards - cut) / 4, 0, 1)
    return chest.filled(share, 40, vessels=True), chest.lungs


def effusion(chest: Chest) -> Made:
    """Fluid behind one lung of a patient on their back, a little higher at the wall."""
    from scipy import ndimage

    lung, (_, y, _) = chest.one(chest.rng.choice([RIGHT, LEFT]))
    level = y + 12 * np.exp(-ndimage.distance_transform_edt(lung) / 5)
    cut = np.quantile(level[lung], 1 - chest.rng.uniform(0.3, 0.4))
    return chest.filled(lung & (level > cut), FLUID), chest.lungs


def emphysema(chest: Chest) -> Made:
    """Most of both lungs destroyed, with bullae of several cm."""
    from scipy import ndimage

    lung = chest.lungs > 0
    field = ndimage.gaussian_filter(chest.rng.standard_normal(lung.shape, np.float32), 12)
    some = lung & (chest.hu < -600)
    destroyed = (field > np.quantile(field[some], 0.3)) & some
    hu = chest.filled(0.85 * ndimage.gaussian_filter(destroyed.astype(np.float32), 2) * some, -985)
    depth = ndimage.distance_transform_edt(lung)
    z, y, x = np.indices(lung.shape, np.float32, sparse=True)
    bullae = np.zeros(lung.shape, bool)
    top = np.quantile(np.flatnonzero(lung.any(axis=(1, 2))), 0.5)
    for radius in (32, 24, 18, 18, 14):
        at = chest.rng.choice(np.argwhere((depth > 0.4 * radius) & (depth < 0.7 * radius) & (z > top) & ~bullae))
        bullae |= sum((axis - c) ** 2 for axis, c in zip((z, y, x), at, strict=True)) < radius**2
    wall = ndimage.binary_dilation(bullae) & ~bullae & lung
    chest = Chest(np.where(wall, -500, hu), chest.lungs, chest.noise, chest.rng)
    return chest.filled(bullae & lung, GAS), chest.lungs


def pneumothorax(chest: Chest, shrunk: float = 0.86) -> Made:
    """One lung shrunk towards its hilum, with gas around it."""
    from scipy import ndimage

    side = chest.rng.choice([RIGHT, LEFT])
    lung, _ = chest.one(side)
    places = np.argwhere(lung)
    hilum = places.mean(axis=0)
    hilum[2] = np.quantile(places[:, 2], 0.9 if side == RIGHT else 0.1)
    back = hilum * (1 - 1 / shrunk)
    small = ndimage.affine_transform(lung.astype(np.float32), [1 / shrunk] * 3, back, order=1) > 0.5
    small &= lung
    content = ndimage.affine_transform(chest.hu, [1 / shrunk] * 3, back, order=1)
    pleura = small & ~ndimage.binary_erosion(small)
    content = np.where(pleura, np.maximum(content, -450), content + 40)
    gas = lung & ~small
    chest = Chest(np.where(small, content, chest.hu), chest.lungs, chest.noise, chest.rng)
    return chest.filled(gas, GAS), np.where(gas, 0, chest.lungs)


def one_lung_missing(chest: Chest) -> Made:
    """Tissue in the place of one lung."""
    side = chest.rng.choice([RIGHT, LEFT])
    lung, _ = chest.one(side)
    return chest.filled(lung, TISSUE), np.where(lung, 0, chest.lungs)


def arms_down(chest: Chest, gap: float = 12) -> Made:
    """An arm on either side of the thorax, the left one touching it."""
    from scipy import ndimage

    margin, radius = 110, 40
    wider = [(0, 0), (0, 0), (margin, margin)]
    hu = np.pad(chest.hu, wider, constant_values=np.float32(GAS))
    hu[:, :, :margin] += chest.noise.deviation * chest.noise.field(hu[:, :, :margin].shape, chest.rng)
    hu[:, :, -margin:] += chest.noise.deviation * chest.noise.field(hu[:, :, -margin:].shape, chest.rng)
    _, y, x = np.indices(hu.shape, np.float32, sparse=True)
    body = np.flatnonzero(np.median((hu > -300).sum(axis=1), axis=0) > 20)
    middle = np.average(np.arange(hu.shape[1]), weights=(hu[:, :, body[0] : body[-1]] > -300).sum(axis=(0, 2)))
    for at in (body[0] - gap - radius, body[-1] + radius - 3):
        away = np.hypot(x - at, (y - middle) * 0.9) + 0 * hu
        arm = np.select([away < 7, away < 12, away < radius - 8], [100, 900, 50], -100).astype(np.float32)
        arm = chest.noise.blur(arm) + chest.noise.deviation * chest.noise.field(hu.shape, chest.rng)
        share = ndimage.gaussian_filter((away < radius).astype(np.float32), 0.8) * (hu < -300)
        hu += share * (arm - hu)
    return hu, np.pad(chest.lungs, wider)


def cropped(chest: Chest, side: float = 0, top: float = 0, bottom: float = 0) -> Made:
    """Without what lies beyond so many mm of lung at the side, the top or the bottom."""
    z, _, x = (np.flatnonzero((chest.lungs > 0).any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    box = (
        slice(z[0] + bottom if bottom else None, z[-1] + 1 - top if top else None),
        slice(None),
        slice(x[0] + side if side else None, None),
    )
    return chest.hu[box], np.ascontiguousarray(chest.lungs[box])


KINDS: dict[str, Callable[[Chest], Made]] = {
    "as it is": lambda chest: (chest.hu, chest.lungs),
    "collapsed lower lobes": collapsed_lower_lobes,
    "effusion": effusion,
    "emphysema": emphysema,
    "pneumothorax": pneumothorax,
    "small pneumothorax": lambda chest: pneumothorax(chest, 0.94),
    "one lung missing": one_lung_missing,
    "arms down": arms_down,
    "cut at the side": lambda chest: cropped(chest, side=4),
    "cut at the top": lambda chest: cropped(chest, top=25),
    "cut at the bottom": lambda chest: cropped(chest, bottom=20),
}


def in_slices(ct: Volume, thickness: float) -> Volume:
    """A CT in slices of another thickness (mm): means along z, as a scanner takes them."""
    from scipy import ndimage

    x, y, z = ct.geometry.spacing
    mean = ndimage.uniform_filter1d(ct.array.astype(np.float32), max(1, round(thickness / z)), axis=0)
    size = (*ct.geometry.size[:2], int(ct.geometry.extent[2] / thickness))
    grid = Geometry(size, (x, y, float(thickness)), ct.geometry.origin, ct.geometry.direction)
    return linear_on(ct.with_array(mean), grid, extrapolate=True)
