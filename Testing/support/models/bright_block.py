"""A CT with a block that `bright_model` sees."""

from __future__ import annotations

import numpy as np

VALUE = 1500  # HU, brighter than anything in the phantom's lungs


def with_block(phantom):
    """The phantom with a bright block in its right lung, and the block as a mask."""
    z, y, x = np.argwhere(phantom.lungs.array == 1).mean(axis=0).astype(int)
    block = np.zeros(phantom.lungs.array.shape, bool)
    block[z - 5 : z + 5, y - 6 : y + 6, x - 6 : x + 6] = True
    return phantom.ct.with_array(np.where(block, VALUE, phantom.ct.array).astype(np.int16)), block
