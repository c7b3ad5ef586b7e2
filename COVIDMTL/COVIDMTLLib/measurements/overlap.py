"""How well two masks agree (section 4.1 of the paper)."""

from __future__ import annotations

from math import sqrt

import numpy as np

from ..imaging.volume import Volume, labels_on
from ..utils.errors import InputError


def overlap(predicted: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Dice, Jaccard, Matthews correlation coefficient and precision of a mask against a reference.

    Parameters
    ----------
    predicted, reference : ndarray of the same shape
        Masks; every value but 0 counts as inside.

    Returns
    -------
    dict
        ``dice``, ``jaccard``, ``mcc``, ``precision``; NaN where the definition divides by zero.
    """
    predicted, reference = predicted.astype(bool), reference.astype(bool)
    # Python integers: the product of four counts of voxels overflows 64 bits.
    tp = int(np.count_nonzero(predicted & reference))
    fp = int(np.count_nonzero(predicted)) - tp
    fn = int(np.count_nonzero(reference)) - tp
    tn = predicted.size - tp - fp - fn
    dice = _ratio(2 * tp, 2 * tp + fp + fn)
    return {
        "dice": dice,
        "jaccard": dice / (2 - dice),
        "mcc": _ratio(tp * tn - fp * fn, sqrt((tp + fn) * (tp + fp) * (tn + fp) * (tn + fn))),
        "precision": _ratio(tp, tp + fp),
    }


def compare_masks(predicted: Volume, reference: Volume) -> dict[str, float]:
    """Compare two masks on the grid of the reference (section 4.1).

    Parameters
    ----------
    predicted, reference : Volume
        Masks of any geometry; every value but 0 counts as inside.

    Returns
    -------
    dict
        ``dice``, ``jaccard``, ``mcc`` and ``precision`` as of `overlap`, and the volumes ``predicted_ml`` and
        ``reference_ml``.

    Raises
    ------
    InputError
        If the masks lie so that not one voxel of the predicted mask is on the reference's grid.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> lungs = covidmtl.read_mask("lungs.nrrd")
    >>> covidmtl.compare_masks(lungs, lungs)["dice"]
    1.0
    """
    on_grid = labels_on(predicted, reference.geometry)
    if not on_grid.array.any():
        raise InputError("The masks do not lie in the same place; give two masks of one CT.")
    return overlap(on_grid.array, reference.array) | {
        f"{name}_ml": float(np.count_nonzero(mask.array) * mask.geometry.voxel_volume)
        for name, mask in (("predicted", predicted), ("reference", reference))
    }


def _ratio(numerator: float, denominator: float) -> float:
    return numerator / denominator if denominator else float("nan")
