"""Odd and bad masks, alone and in pairs."""

from __future__ import annotations

import numpy as np
from COVIDMTLLib.imaging.volume import Geometry, Volume

from .cts import damaged as damaged_ct
from .cts import write_any
from .damage import damage
from .volumes import odd_geometry, odd_size, restored, retyped, turned


def _odd(lungs: Volume, rng: np.random.Generator) -> Volume:
    array = lungs.array
    kinds = (
        lambda: lungs,
        lambda: lungs.with_array(array * 0),
        lambda: lungs.with_array(np.ones_like(array)),
        lambda: lungs.with_array(array.astype(np.float32) * rng.choice([0.5, np.nan, -1, 1e30])),
        lambda: lungs.with_array(array.astype(np.int16) * int(rng.choice([-1, 3, 127, 128, 300]))),
        lambda: lungs.with_array(
            (np.arange(array.size) == rng.integers(array.size)).reshape(array.shape) * np.uint8(1)
        ),
        lambda: lungs.with_array(rng.integers(0, 256, array.shape).astype(np.uint8)),
        lambda: lungs.with_array(np.where(array == 1, 3, array)),
        lambda: Volume(array, Geometry(lungs.geometry.size, lungs.geometry.spacing, (5000.0, 0.0, 0.0))),
        lambda: odd_geometry(lungs, rng),
        lambda: odd_size(lungs, rng),
        lambda: restored(lungs, rng),
        lambda: turned(lungs, rng),
        lambda: retyped(lungs, str(rng.choice(["int8", "uint16", "int64", "uint64", "float64"]))),
    )
    return kinds[rng.integers(len(kinds))]()


def given(stock, folder, out, rng):
    """To a command that takes a CT and a mask."""
    mask = write_any(_odd(stock.phantom.lungs, rng), folder, rng, "mask")
    if rng.random() < 0.2:
        damage(mask, rng)
    what = rng.choice(["segment", "features", "assess"], p=[0.8, 0.1, 0.1])
    if what == "features":
        return ["features", str(stock.ct), str(mask), "--out", str(out / "features.csv")]
    if what == "assess":
        return ["assess", str(stock.ct), "--lungs", str(mask), "--model", str(stock.model), "--out", str(out)]
    words = ["segment", str(stock.ct), "--initial", str(mask), "--out", str(out / "lungs.nrrd")]
    return [*words, "--method", "active-contour", "--iterations", "1"]


def compared(stock, folder, out, rng):
    """Two masks of which one is odd, in either order."""
    odd = write_any(_odd(stock.phantom.lungs, rng), folder, rng, "mask")
    if rng.random() < 0.3:
        damage(odd, rng)
    pair = [str(odd), str(stock.lungs)]
    return ["compare-masks", *(pair if rng.random() < 0.5 else pair[::-1])]


def compared_damaged(stock, folder, out, rng):
    """Two things of which one is no mask at all."""
    return ["compare-masks", damaged_ct(stock, folder, out, rng)[1], str(stock.lungs)]
