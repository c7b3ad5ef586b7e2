"""Plant opacities of COVID-19, other pneumonias and tumours in a CT whose lungs are known.

A lung with opacities is as large as without, so the lung mask stays the truth, and what a segmentation loses is
seen. Fluid takes the place of air: a voxel of the CT becomes ``hu + filled * (tissue - hu)``, so that vessels stay
and the lung's own texture fades as it does behind ground glass. What loses noise thereby gets as much of the noise of
soft tissue in the CT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from COVIDMTLLib.imaging.volume import Geometry, Volume, linear_on
from COVIDMTLLib.utils.errors import InputError
from support.data.planted_places import STEP, Lungs, lobar, masses, peripheral, posterior
from support.data.planted_textures import Noise, air_bronchograms, septa

MOST = 0.6
"""Largest share of the lung that is taken."""

RIM = 2
"""mm around the lung within which voxels may be a mix of lung and chest wall."""

MIXED = -650, -150
"""HU of such voxels: denser than the air in a bronchus, lighter than fat."""

Density = tuple[float, float]


@dataclass(frozen=True)
class Kind:
    """How opacities of a kind look.

    Attributes
    ----------
    place : callable
        Gives a score in mm on the coarse grid from the lungs, a generator and the amount: opacities lie where it is
        high.
    glass : (float, float), optional
        HU that ground glass lies between.
    tissue : (float, float)
        HU that what fills the air has, at its thinnest and densest.
    edge : float
        mm over which the lung turns into the opacity.
    fade : (float, float), optional
        mm from the edge to consolidation through ground glass, from and to; without it all is ground glass, or all
        is consolidation where there is no ``glass``.
    network, bronchograms : bool
        Whether there are septal lines in it, and air bronchograms.
    """

    place: Callable[[Lungs, np.random.Generator, float], np.ndarray]
    tissue: Density
    edge: float
    glass: Density | None = None
    fade: Density | None = None
    network: bool = False
    bronchograms: bool = False


KINDS = {
    "ground-glass": Kind(peripheral, (30, 50), 7, glass=(-650, -450)),
    "crazy-paving": Kind(peripheral, (30, 50), 7, glass=(-650, -450), network=True),
    "consolidation": Kind(posterior, (-20, 50), 8, bronchograms=True),
    "white-lung": Kind(lobar, (-20, 50), 8, glass=(-650, -400), fade=(4, 24), bronchograms=True),
    "mass": Kind(masses, (20, 50), 3),
}


def plant(ct: Volume, lungs: Volume, kind: str, amount: float, seed: int) -> tuple[Volume, Volume]:
    """Plant opacities in the lungs of a CT.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        Lung mask on the same grid, every value but 0 is lung: the truth, which stays the same.
    kind : str
        One of `KINDS`.
    amount : float
        Share of the lung that is taken, 0 to `MOST`.
    seed : int
        0 or more; decides on side, place, extent and density. Same seed, same arrays.

    Returns
    -------
    ct : Volume
        HU, int16; changed in the lung and in the `RIM` of its mask where the CT shows a mix of lung and chest wall.
    opacities : Volume
        uint8, 1 where at least half of the opacity's strength is reached: with the vessels and air bronchograms in it.

    Raises
    ------
    InputError
        If the kind is unknown, the amount or the seed is out of range, the grids differ, or the mask holds no
        aerated lung.
    """
    _check(ct, lungs, kind, amount, seed)
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    look = KINDS[kind]
    box = _box(lungs.array)
    hu, lung = ct.array[box].astype(np.float32), lungs.array[box] > 0
    coarse = Lungs.of(lung, hu)
    score = _finely(look.place(coarse, rng, amount), lung.shape)
    planted, mask = ct.array.astype(np.int16), np.zeros(ct.array.shape, np.uint8)
    if amount > 0:
        cut = np.quantile(score[lung], 1 - amount)
        noise = Noise.of(ct.array)
        filled, tissue = _filling(look, score - cut, lung, coarse, noise, rng)
        changed = (lung | _rim(lung, hu)) & (filled > 0.01) & (hu < tissue)
        fresh = noise.deviation * np.sqrt(1 - (1 - filled) ** 2) * noise.field(lung.shape, rng)
        new = hu + filled * (tissue - hu) + fresh
        planted[box] = np.where(changed, np.rint(new), hu)
        mask[box] = lung & (score > cut)
    return ct.with_array(planted), ct.with_array(mask)


def _check(ct: Volume, lungs: Volume, kind: str, amount: float, seed: int) -> None:
    if kind not in KINDS:
        raise InputError(f"There is no kind {kind} of opacities; choose one of {', '.join(KINDS)}.")
    if not 0 <= amount <= MOST:
        raise InputError(f"The amount has to be 0 to {MOST} of the lung, and {amount:g} is not.")
    if seed < 0:
        raise InputError(f"A seed has to be 0 or more, and {seed} is not.")
    if ct.geometry != lungs.geometry:
        raise InputError("The lung mask is on another grid than the CT; bring both to the working grid.")
    if not np.any((lungs.array > 0) & (ct.array < -500)):
        raise InputError("There is no aerated lung in the mask; give a mask of the lungs of this CT.")


def _rim(lung: np.ndarray, hu: np.ndarray) -> np.ndarray:
    """What the scanner mixed of lung and chest wall around the mask: else a dark line would enclose opacities."""
    from scipy import ndimage

    around = ndimage.binary_dilation(lung, iterations=RIM) & ~lung
    return around & (hu > MIXED[0]) & (hu < MIXED[1])


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    from scipy import ndimage

    tight = ndimage.find_objects((mask > 0).astype(np.uint8))[0]
    return tuple(slice(max(0, side.start - RIM), side.stop + RIM) for side in tight)


def _finely(coarse: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Values on the coarse grid, every `STEP` mm from the first voxel on, at each voxel of an array of a shape."""
    volume = Volume(coarse.astype(np.float32), Geometry(coarse.shape[::-1], (float(STEP),) * 3))
    return linear_on(volume, Geometry(shape[::-1]), extrapolate=True).array


def _filling(
    look: Kind, inwards: np.ndarray, lung: np.ndarray, coarse: Lungs, noise: Noise, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Share of the air of each voxel that is filled, and the HU of what fills it.

    ``inwards`` is about how far within the edge of the opacities a voxel lies, in mm.
    """
    tissue = _finely(_between(look.tissue, coarse, 15, rng), lung.shape)
    filled = np.ones(lung.shape, np.float32)
    if look.glass:
        air = coarse.air()
        glass = (_between(look.glass, coarse, 10, rng) - air) / (np.mean(look.tissue) - air)
        filled = np.clip(_finely(glass, lung.shape), 0, 1)
    if look.fade:
        start, end = np.multiply(look.fade, rng.uniform(0.6, 1.4))
        filled += (1 - filled) * _ramp((inwards - start) / (end - start))
    if look.network:
        lines = septa(lung & (inwards > -look.edge / 2), noise, rng)
        filled += (1 - filled) * rng.uniform(0.7, 1.0) * np.minimum(lines, 0.5)
    if look.bronchograms:
        filled *= 1 - air_bronchograms(inwards, lung, coarse, noise, rng)
    return filled * _ramp(inwards / look.edge + 0.5), tissue


def _between(bounds: Density, coarse: Lungs, grain: float, rng: np.random.Generator) -> np.ndarray:
    """A field within bounds on the coarse grid: about a level of its own for every case."""
    low, high = bounds
    level = rng.uniform(low + 0.3 * (high - low), high - 0.3 * (high - low))
    return np.clip(level + 0.1 * (high - low) * coarse.field(grain, rng), low, high)


def _ramp(share: np.ndarray) -> np.ndarray:
    """0 below 0, 1 above 1 and smooth between."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
