"""Lungs that stay whole: dense lung is found by where it lies in the chest and by what it looks like.

Without training on labelled lungs: the chest wall comes from the ribs, what to expect where from the
synthetic anatomy, and what dense lung looks like from the patient's own CT.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .air import aerated_lung, central_airways, enclosed_air
from .atlas import expected
from .boundary import fine_boundary
from .field import lung_field
from .frame import BONE
from .grid import block_mean
from .halves import halves_of


def segment_robust(
    ct: np.ndarray,
    initial: np.ndarray | None = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> np.ndarray:
    """Segment the lungs with the opacities in them.

    Aerated lung is found by density, without the trachea and the main bronchi. The ribs, and the lung that
    lies against them, give the inner surface of the chest wall. Tissue between aerated lung and the wall is
    dense lung; what else is, is decided by a mean field over an atlas, over what dense lung of the same
    patient looks like, and over neighbours. The boundary follows the image where it shows one.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    initial : ndarray of bool, shape (z, y, x), optional
        Lung for certain; the result holds it.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The lungs; empty if there is no aerated lung.
    """
    coarse = block_mean(ct)
    air, outside = enclosed_air(coarse)
    airways = central_airways(ct, coarse, air)
    in_airways = np.zeros(air.shape, bool) if airways is None else block_mean(airways) > 0.3
    progress(0.2)
    lung = aerated_lung(coarse, air & ~in_airways)
    if initial is not None:
        lung |= (block_mean(initial) > 0.5) & ~in_airways
    if not lung.any():
        return np.zeros(ct.shape, bool)
    place = expected(*halves_of(coarse, lung))
    progress(0.3)
    other_air = (outside | in_airways) & ~lung
    probability = lung_field(
        ct, coarse, lung, other_air, coarse > BONE, place, lambda fraction: progress(0.3 + 0.5 * fraction)
    )
    lungs = fine_boundary(ct, coarse, probability, other_air, place.radius, airways)
    if initial is not None:
        lungs |= initial
    progress(1.0)
    return lungs
