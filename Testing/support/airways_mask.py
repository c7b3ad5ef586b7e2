"""Masks with airways and without."""

from __future__ import annotations

import numpy as np
from scipy import ndimage


def with_lungs_alone(phantom):
    """The CT of a phantom without air in its airways, stomach and bowel."""
    parts, _ = ndimage.label(phantom.ct.array < -300)
    around = np.unique(np.concatenate([parts[:, 0].ravel(), parts[:, -1].ravel()]))
    inside = ~np.isin(parts, around) & ~ndimage.binary_dilation(phantom.lungs.array > 0)
    return phantom.ct.with_array(np.where(inside & (parts > 0), np.int16(40), phantom.ct.array))
