"""The trachea and the main bronchi as a label of their own, which is never taken for lung."""

from __future__ import annotations

import numpy as np

from ..imaging.coarse_grid import block_mean
from ..imaging.labels import AIRWAYS
from ..imaging.volume import Volume
from .robust.aerated import central_airways, enclosed_air

GAS = -900
"""HU below which there is hardly anything but gas, as in an airway."""

GAS_SHARE = 0.2
"""Share of gas from which a part of a mask may be airways: with their walls they are about half gas."""

MOST = 0.05
"""Volume of airways as a share of that of the lungs, at most; a lobe has more."""

NOT_FOUND = "No trachea was found in the CT, so that the mask holds the lungs alone."


def label_airways(lungs: np.ndarray, ct: np.ndarray) -> None:
    """Label the trachea and the main bronchi with their walls in a mask of the lungs.

    Methods that go by density alone take what they hold for lung.

    Parameters
    ----------
    lungs : ndarray of uint8, shape (z, y, x)
        Labels on the 1 mm working grid. Is left as it is if no trachea is found.
    ct : ndarray of shape (z, y, x)
        HU on the same grid.
    """
    coarse = block_mean(ct)
    air, _ = enclosed_air(coarse)
    found = central_airways(ct, coarse, air)
    if found is not None:
        lungs[found] = AIRWAYS


def without_airways(labels: Volume) -> Volume:
    """A mask of this software's without its trachea and main bronchi: the lungs alone."""
    if not np.any(labels.array == AIRWAYS):
        return labels
    return labels.with_array(np.where(labels.array == AIRWAYS, np.zeros_like(labels.array), labels.array))


def holds_airways(labels: np.ndarray, ct: np.ndarray) -> bool:
    """Whether the label 3 of any mask means airways, as in those of this software.

    In the masks of others it may be anything: an infection in the lungs, a lobe. So the labels have to be 1, 2 and 3,
    and what is labelled 3 small beside the rest and for a good part as dark as gas.

    Parameters
    ----------
    labels, ct : ndarray of shape (z, y, x)
        Mask, and HU on the same grid.
    """
    if labels.max() != AIRWAYS or len(np.unique(labels[labels > 0])) != AIRWAYS:
        return False
    marked = labels == AIRWAYS
    small = np.count_nonzero(marked) <= MOST * np.count_nonzero((labels > 0) & ~marked)
    return bool(small and np.mean(ct[marked] < GAS) >= GAS_SHARE)
