"""HOG features of lung volumes, which the paper compares its 375 features with (section 7, Table 9).

    python Training/hog.py --cts FOLDER [--lungs FOLDER] --out hog.csv.gz

One row a CT, PID being the name of its file or DICOM folder; ``baselines.py --hog`` takes the table.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.cohort.folder import cases
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.lung_crop import BOX, Crop, prepare
from COVIDMTLLib.imaging.masks.reader import read_lungs
from COVIDMTLLib.imaging.volume import HU_RANGE, Volume, to_working_grid
from COVIDMTLLib.segmentation.methods import given_lungs, segment
from COVIDMTLLib.utils.atomic_files import staged_file
from COVIDMTLLib.utils.errors import InputError
from skimage.feature import hog
from tqdm import tqdm

ORIENTATIONS, CELL, BLOCK = 32, (16, 16), (1, 1)
"""Of the paper's HOG: bins of direction, pixels of a cell, cells of a block."""


def lung_box(ct: Volume, lungs: np.ndarray) -> np.ndarray:
    """The lung volume as the paper's authors keep it, before any scaling.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the same grid; every value but 0 is lung.

    Returns
    -------
    ndarray of shape (340, 390, 390)
        float32: HU + 1024 inside the lungs, 0 outside.
    """
    highest = HU_RANGE[1] - HU_RANGE[0]
    return prepare(ct, lungs, Crop(start=(0, 0, 0), size=BOX, clip=highest, mean=0, std=1)).array


def hog_features(volume: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients of the axial slice with most lung.

    Parameters
    ----------
    volume : ndarray of shape (z, y, x)
        HU + 1024 inside the lungs, 0 outside, at 1 mm.

    Returns
    -------
    ndarray of shape (18432,)
        float64, for the 390 x 390 pixels of a slice: 24 x 24 cells, row by row, of 32 directions each.

    Raises
    ------
    InputError
        If there is no lung.
    """
    lung = np.count_nonzero(volume, axis=(1, 2))
    if not lung.any():
        raise InputError("The volume holds no lung, so that there is no slice to describe; give whole lungs.")
    return hog(
        volume[lung.argmax()].astype(float),
        orientations=ORIENTATIONS,
        pixels_per_cell=CELL,
        cells_per_block=BLOCK,
        block_norm="L1",
        transform_sqrt=True,
    )


def hog_table(cts: Path, lungs: Path | None, each: Callable = iter) -> pd.DataFrame:
    """HOG features of all CTs of a folder.

    Parameters
    ----------
    cts : Path
        Image files, and folders of DICOM slices, are a case each.
    lungs : Path, optional
        Folder of masks with the names of the cases; Algorithm 1 finds the lungs if it is left out.
    each : callable, optional
        Is given the cases to iterate over, such as for a progress bar.

    Returns
    -------
    DataFrame
        ``PID`` and the features, one row a case.

    Raises
    ------
    InputError
        If there are no cases, a mask is missing, or a CT or mask cannot be used.
    """
    found = cases(cts)
    masks = None if lungs is None else cases(lungs)
    for name in found:
        if masks is not None and name not in masks:
            raise InputError(f"{lungs} has no mask of {name}; masks are named like their CTs.")
    rows = []
    for name, path in each(found.items()):
        volume = read_ct(path)
        ct = to_working_grid(volume)
        if masks is None:
            labels = segment(ct, "active-contour", name=name)
        else:
            labels = given_lungs(read_lungs(masks[name], volume).volume, ct, name)
        rows.append(hog_features(lung_box(ct, labels.array)))
    table = pd.DataFrame(rows).add_prefix("hog_")
    table.insert(0, "PID", list(found))
    return table


def read_hog(path: str | Path, pids: np.ndarray) -> np.ndarray:
    """HOG features (N, features) of some patients, in their order.

    The table is one that this script wrote, or has the layout of the release's ``hogfeatures.csv``: numbers of patients
    in a first column without a name, then the features, named 0, 1, 2 and so on.

    Raises
    ------
    InputError
        If there is no such table, a patient is not in it or twice, or a value is no number.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no file {path}; make one with Training/hog.py.")
    table = pd.read_csv(path)
    if [*table.columns[1:]] == [str(number) for number in range(table.shape[1] - 1)]:
        table = table.add_prefix("hog_").rename(columns={f"hog_{table.columns[0]}": "PID"})
    if "PID" not in table or table.PID.duplicated().any():
        raise InputError(f"{path.name} should have a column PID that names each patient once.")
    rows = table.set_index(table.PID.astype(str)).filter(regex="^hog_").reindex(pids.astype(str))
    values = rows.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    bad = ~np.isfinite(values).all(axis=1)
    if bad.any() or not values.shape[1]:
        raise InputError(
            f"{path.name} lacks HOG features of patient {pids[bad.argmax()]}; make it of the whole cohort."
        )
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cts", type=Path, required=True, help="folder of CTs: image files and DICOM folders")
    parser.add_argument("--lungs", type=Path, help="folder of lung masks with the same names (default: found)")
    parser.add_argument("--out", type=Path, required=True, help="table to write, .csv or .csv.gz")
    options = parser.parse_args()
    try:
        with staged_file(options.out) as path:
            table = hog_table(options.cts, options.lungs, lambda items: tqdm(items, desc="CTs"))
            table.to_csv(path, index=False, float_format="%.6g")
    except InputError as error:
        print(f"hog: {error}", file=sys.stderr)
        return 2
    return 0
