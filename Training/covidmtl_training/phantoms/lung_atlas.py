"""Make the atlas of the segmentation method robust from synthetic thoraxes, which no patient has lent anything.

python Training/lung_atlas.py [--seeds 12] [--out FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from COVIDMTLLib.imaging.coarse_grid import block_mean
from COVIDMTLLib.imaging.volume import HU_RANGE
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.robust.aerated import aerated_lung, central_airways, enclosed_air
from COVIDMTLLib.segmentation.robust.atlas import ANGLES, FILE, LEVELS, RADII, places
from COVIDMTLLib.segmentation.robust.hemithorax import halves_of
from scipy import ndimage

FIRST_SEED = 1000
SIZES = 0.85, 1.15


def lung_atlas(seeds: int) -> np.ndarray:
    """The atlas of `seeds` thoraxes, from small to large: uint8, shape (2, levels, angles, radii), right half first."""
    shape = LEVELS[2], ANGLES, RADII[1]
    counts = np.zeros((2, 2, *shape))
    for number, size in enumerate(np.linspace(*SIZES, seeds)):
        phantom = thorax(FIRST_SEED + number, spacing=(1, 1, 1), size=size)
        ct = np.clip(phantom.ct.array, *HU_RANGE).astype(np.int16)
        truth = block_mean((phantom.lungs.array > 0).astype(np.uint8)) > 0.5
        coarse = block_mean(ct)
        air, _ = enclosed_air(coarse)
        airways = central_airways(ct, coarse, air)
        lung = aerated_lung(coarse, air if airways is None else air & ~(block_mean(airways) > 0.3))
        frame, halves = halves_of(coarse, lung, np.zeros_like(lung))
        for of_half, half in zip(counts, halves, strict=True):
            level, angle, radius = (np.rint(place).astype(int) for place in places(frame, half))
            cells = np.clip(level, 0, shape[0] - 1), angle % ANGLES, np.clip(radius, 0, shape[2] - 1)
            inside = half.radius < RADII[0] * RADII[1]
            for count, kind in zip(of_half, (inside & truth, inside), strict=True):
                np.add.at(count, tuple(cell[kind] for cell in cells), 1)
        print(f"thorax {number + 1} of {seeds}", file=sys.stderr)
    # People differ more than the phantoms do, above all in how deep they breathe.
    blurred = ndimage.gaussian_filter(counts, (0, 0, 1.7, 0.8, 0.6), mode=["nearest"] * 3 + ["wrap", "nearest"])
    shares = (blurred[:, 0] + 0.05) / (blurred[:, 1] + 0.1)
    return np.rint(255 * shares).astype(np.uint8)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=12, help="number of thoraxes (default: 12)")
    parser.add_argument("--out", type=Path, default=FILE, help="file to write (default: the one in the package)")
    options = parser.parse_args()
    np.save(options.out, lung_atlas(options.seeds), allow_pickle=False)
    return 0
