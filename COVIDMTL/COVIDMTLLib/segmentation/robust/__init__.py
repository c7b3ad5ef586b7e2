"""Lungs that stay whole: dense lung is found by where it lies in the chest and by what it looks like.

Without training on labelled lungs: the chest wall comes from the ribs, what to expect where from the
synthetic anatomy, and what dense lung looks like from the patient's own CT.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...imaging.coarse_grid import block_mean
from .aerated import AERATED
from .atlas import expected
from .boundary import fine_boundary
from .chest import Chest, find_chest
from .chest_axes import BONE
from .hemithorax import halves_of
from .mean_field import lung_field, without_islands
from .orientation import mirrored_axes
from .reach import ground_glass

DARK = -855
"""HU below which air in the body that is no lung is gas in stomach or bowel."""


def segment_robust(
    ct: np.ndarray,
    initial: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
    chest: Chest | None = None,
) -> np.ndarray:
    """Segment the lungs with the opacities in them.

    Aerated lung is found by density, without the trachea and the main bronchi, and so is ground glass, as far as
    it is thicker than the blurred boundary of the lungs. The ribs, and the lung that lies against them, give the
    inner surface of the chest wall. Tissue between aerated lung and the wall is dense lung; what else is, is
    decided by a mean field over an atlas, over what dense lung of the same patient looks like, and over
    neighbours. The boundary follows the image where it shows one.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    initial : ndarray of bool, shape (z, y, x), optional
        Lung for certain; the result holds it.
    progress : callable, optional
        Is told the share done, 0 to 1.
    chest : Chest, optional
        What the CT shows, as of `find_chest`, if it is known.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The lungs; empty if there is no aerated lung.
    """
    chest = chest or find_chest(ct)
    mirrored = mirrored_axes(chest)
    if mirrored:
        # The atlas, and where ribs are looked for, are of a chest with the apices above and the spine behind.
        ct = np.ascontiguousarray(np.flip(ct, mirrored))
        initial = None if initial is None else np.flip(initial, mirrored)
        chest = find_chest(ct)
    lungs = np.zeros(ct.shape, bool)
    if chest.body.any():
        chest, box = chest.cropped()
        lungs[box] = _segment(ct[box], None if initial is None else initial[box], progress, chest)
    return np.flip(lungs, mirrored) if mirrored else lungs


def _segment(ct: np.ndarray, initial: np.ndarray | None, progress: Callable[[float], None], chest: Chest) -> np.ndarray:
    """`segment_robust` of what is around the patient, with the apices above and the spine behind."""
    coarse, in_airways = chest.coarse, chest.in_airways
    progress(0.2)
    lung = chest.lung.copy()
    if initial is not None:
        lung |= (block_mean(initial) > 0.5) & ~in_airways
    if not lung.any():
        return np.zeros(ct.shape, bool)
    glass = ground_glass(coarse, lung, chest.body & ~chest.air & ~chest.unknown & ~in_airways)
    # Air that is no gas and too little for a lung may lie within consolidation.
    other_air = ((coarse < AERATED) & ~(chest.air & (coarse > DARK))) | chest.unknown | in_airways
    seen = lung | glass
    other_air &= ~seen
    gas = other_air & chest.air & ~in_airways
    place = expected(*halves_of(coarse, lung, glass), seen, other_air, gas)
    progress(0.3)
    probability = lung_field(
        ct, coarse, lung, other_air, coarse > BONE, place, lambda fraction: progress(0.3 + 0.5 * fraction)
    )
    # What dense lung looks like is learned beside aerated lung alone; ground glass is known.
    probability[glass] = 1
    probability = without_islands(probability, seen, place)
    lungs = fine_boundary(ct, coarse, probability, other_air, place.radius, chest.airways)
    if initial is not None:
        lungs |= initial
    progress(1.0)
    return lungs
