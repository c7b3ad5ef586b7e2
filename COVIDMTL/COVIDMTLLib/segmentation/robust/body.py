"""What of a CT is the patient: neither table, clothes and tubes nor what lies outside the field of view."""

from __future__ import annotations

import numpy as np

from ...imaging.coarse_grid import STEP, block_mean, dilated, opened

TISSUE = -300
"""HU above which the coarse grid holds tissue, or a table."""

THINNEST = 4.0
"""Half of the least thickness in mm of what is of a patient; tables, clothes, tubes and skin folds are thinner."""


def unknown_of(ct: np.ndarray) -> np.ndarray:
    """What lies outside the field of view: there the CT says nothing.

    Air is noisy, padding is constant, up to the border of the image.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.

    Returns
    -------
    ndarray of bool, shape (z, y, x), on the coarse grid
    """
    from scipy import ndimage

    padded = np.pad(ct, [(0, -n % STEP) for n in ct.shape], mode="edge")
    first, middle, last = (padded[at::STEP, at::STEP, at::STEP] for at in range(STEP))
    constant = (first == middle) & (last == middle) & (middle < TISSUE)
    if not constant.any():
        return constant
    constant &= block_mean(ct) == middle
    parts, count = ndimage.label(constant)
    at_border = np.zeros(count + 1, bool)
    for face in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        at_border[np.unique(face)] = True
    at_border[0] = False
    # Resampled, padding is blurred with what lies next to it, over two levels at the ends of a CT that was turned.
    return dilated(at_border[parts], 2 * STEP) if at_border.any() else at_border[parts]


def body_of(coarse: np.ndarray, unknown: np.ndarray) -> np.ndarray:
    """The patient with the air inside.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    unknown : ndarray of bool, shape (z, y, x)
        What lies outside the field of view.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        What has the patient's tissue in front of it and behind it, or to both of its sides; empty if there is none.
    """
    from scipy import ndimage

    parts, count = ndimage.label(opened((coarse > TISSUE) & ~unknown, THINNEST))
    if count == 0:
        return np.zeros(coarse.shape, bool)
    patient = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    return patient | between(patient, 1) | between(patient, 2)


def between(mask: np.ndarray, axis: int) -> np.ndarray:
    """What has something of a mask to both sides along an axis."""
    backward = tuple(slice(None, None, -1) if axis == other else slice(None) for other in range(mask.ndim))
    return np.logical_or.accumulate(mask, axis) & np.logical_or.accumulate(mask[backward], axis)[backward]
