"""Measure once, on a whole CT, what test_features.py holds on parts: parity of the 375 features.

    python Testing/benchmarks/parity_whole_ct.py CT MASK

Prints the largest relative difference to PyRadiomics on the paper's box of 340 x 390 x 390, and the
time of both.
"""

import sys
import time
from pathlib import Path

import numpy as np
from COVIDMTLLib.features.extraction import lung_features
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import to_working_grid
from COVIDMTLLib.segmentation.methods import mask_on

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.pyradiomics_features import by_pyradiomics  # noqa: E402


def main(ct_path: str, mask_path: str) -> None:
    ct = to_working_grid(read_ct(ct_path))
    lungs = mask_on(read_mask(mask_path), ct).array > 0
    start = time.perf_counter()
    found = np.array(list(lung_features(ct, lungs).values()))
    ours = time.perf_counter() - start
    start = time.perf_counter()
    expected = by_pyradiomics(ct.array, lungs, (340, 390, 390))
    theirs = time.perf_counter() - start
    difference = np.abs(found - expected) / np.abs(expected)
    print(f"largest relative difference {difference.max():.2g} ({FEATURE_NAMES[difference.argmax()]})")
    print(f"{ours:.1f} s, PyRadiomics on the whole box {theirs:.1f} s: {ours / theirs:.2f} of it")


if __name__ == "__main__":
    main(*sys.argv[1:])
