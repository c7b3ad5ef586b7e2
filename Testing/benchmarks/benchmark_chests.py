"""Measure and show `robust` on real chests of several scanners, as they are and with opacities planted.

    python Testing/benchmarks/benchmark_chests.py FOLDER --out DIR [--planted] [--transformed] [--seed 31]

FOLDER holds CTs, NAME_image.nrrd or a folder NAME of DICOM slices, each with NAME_mask.nrrd or
NAME_reference_lung.nrrd, its lungs, or NAME_trimap.nrrd: 1 surely lung, 0 surely not lung, 2 not judged. Where there
are lungs, what lies over 14 mm from them, closed by 20 mm, counts as surely not lung.

Writes to DIR: cases.csv, a row a case, and page-1.png and so on, with the outlines of what was found in colour. With
--transformed there is transformed.csv, too: how well the lungs of mirrored, padded, turned and noisy CTs, and those in
slices of 2 and 5 mm, agree with those of the CT as it is.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.measurements.overlap import overlap
from COVIDMTLLib.segmentation.methods import segment
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.data.known_lungs import known_lungs  # noqa: E402
from support.data.planted_opacities import plant  # noqa: E402
from support.lung_pictures import Band, band, draw_pages  # noqa: E402

PLANTED = (("white-lung", 0.2), ("white-lung", 0.4), ("consolidation", 0.3))
TURN, WIDER, NOISE = 8, 40, 40
"""Degrees, mm to each side that are added for it, and standard deviation in HU, of the transformations."""


def cases(folder: Path, planted: bool, seed: int) -> Iterator[tuple[str, Volume, tuple, np.ndarray | None]]:
    """Name, CT, what is known of its lungs, and the opacities that were planted."""
    for path in sorted(folder.iterdir()):
        name = path.name.partition("_image.")[0]
        if not (path.is_dir() or "_image." in path.name):
            continue
        ct = to_working_grid(read_ct(path))
        truth = known_lungs(folder, name, ct)
        if truth is None:
            continue
        yield name, ct, truth, None
        for kind, amount in PLANTED if planted else ():
            changed, opacities = plant(ct, ct.with_array(truth[0].astype(np.uint8)), kind, amount, seed)
            yield f"{name}, {kind} {amount:.0%}", changed, truth, opacities.array > 0


def measured(
    name: str, ct: Volume, truth: tuple[np.ndarray, np.ndarray, np.ndarray], opacities: np.ndarray | None
) -> tuple[dict, Band]:
    """A row of the table and the pictures of a case."""
    lungs, sure, other = truth
    start, error = time.perf_counter(), ""
    try:
        found = segment(ct, "robust").array > 0
    except InputError as refused:
        found, error = np.zeros(lungs.shape, bool), str(refused)
    row = {
        "case": name,
        "dice": overlap(found, lungs)["dice"],
        "recall_of_sure_lung": np.mean(found[sure]) if opacities is None else np.nan,
        "surely_not_lung_ml": np.count_nonzero(found & other) / 1000,
        "recall_of_opacities": np.nan if opacities is None else np.mean(found[opacities]),
        "seconds": time.perf_counter() - start,
        "error": error,
    }
    said = ", ".join(
        f"{key} {value:.3g}" for key, value in row.items() if isinstance(value, float) and not np.isnan(value)
    )
    print(f"{name}: {said} {error}", file=sys.stderr, flush=True)
    return row, band(name, ct.array, lungs, opacities, {"robust": (f"Dice {row['dice']:.3f}", found)})


def transformed(ct: Volume) -> Iterator[tuple[str, Volume, Callable[[np.ndarray], np.ndarray]]]:
    """What was done to a CT, the CT afterwards on a working grid, and what brings its lungs back to that of `ct`."""
    array, size = ct.array, np.array(ct.array.shape)
    for axis, name in enumerate(("upside down", "front to back", "left to right")):
        yield f"mirrored {name}", ct.with_array(np.flip(array, axis).copy()), partial(np.flip, axis=axis)
    before, after = np.array([20, 30, 12]), np.array([15, 10, 40])
    padded = np.pad(array, np.stack([before, after], axis=1), constant_values=-1024)
    inner = tuple(slice(first, first + n) for first, n in zip(before, size, strict=True))
    yield "padded", Volume(padded, Geometry(padded.shape[::-1])), lambda mask: mask[inner]
    image = Volume(array, Geometry(array.shape[::-1])).to_image()
    # Wide enough for lungs near the sides to stay in it.
    wide = sitk.ConstantPad(image, (WIDER,) * 3, (WIDER,) * 3, -1024)
    for axis, name in zip(np.eye(3), ("right to left", "front to back", "head to foot"), strict=True):
        turn = sitk.VersorTransform(axis, np.radians(TURN))
        turn.SetCenter([(n - 1) / 2 for n in image.GetSize()])
        turned = sitk.GetArrayFromImage(sitk.Resample(image, wide, turn, sitk.sitkLinear, -1024))
        back = partial(_turned_back, image, wide, turn.GetInverse())
        yield f"turned by {TURN} degrees about {name}", Volume(turned, Geometry(turned.shape[::-1])), back
    noise = np.random.default_rng(0).normal(0, NOISE, array.shape)
    yield f"noise of {NOISE} HU", ct.with_array(np.clip(array + noise, -1024, 3071).astype(np.int16)), np.asarray
    fine = Geometry(array.shape[::-1])
    for thickness in (2, 5):
        count = len(array) // thickness
        thick = array[: thickness * count].reshape(count, thickness, *array.shape[1:]).mean(axis=1).astype(np.int16)
        geometry = Geometry(thick.shape[::-1], (1.0, 1.0, float(thickness)), (0.0, 0.0, (thickness - 1) / 2))
        slices = to_working_grid(Volume(thick, geometry))
        yield f"{thickness} mm slices", slices, partial(_on_fine, slices, fine)


def _on_fine(slices: Volume, fine: Geometry, mask: np.ndarray) -> np.ndarray:
    return labels_on(slices.with_array(mask.astype(np.uint8)), fine).array > 0


def _turned_back(image: sitk.Image, wide: sitk.Image, transform: sitk.Transform, mask: np.ndarray) -> np.ndarray:
    of_mask = sitk.GetImageFromArray(mask.astype(np.uint8))
    of_mask.CopyInformation(wide)
    return sitk.GetArrayFromImage(sitk.Resample(of_mask, image, transform, sitk.sitkNearestNeighbor, 0)) > 0


def agreement(name: str, ct: Volume) -> Iterator[dict]:
    """A row for each transformation of a CT: Dice of its lungs with those of the CT as it is, or why there are none."""
    lungs = segment(ct, "robust").array > 0
    for done, changed, back in transformed(ct):
        row = {"case": name, "transformation": done, "dice": np.nan, "error": ""}
        try:
            row["dice"] = overlap(back(segment(changed, "robust").array > 0), lungs)["dice"]
        except InputError as refused:
            row["error"] = str(refused)
        print(f"{name}, {done}: {row['dice']:.3f} {row['error']}", file=sys.stderr, flush=True)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the CTs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--planted", action="store_true", help="plant opacities in each CT, too")
    parser.add_argument("--transformed", action="store_true", help="find the lungs of transformed CTs, too")
    parser.add_argument("--seed", type=int, default=31, help="of what is planted (default: %(default)s)")
    options = parser.parse_args()
    try:
        with staged_folder(options.out) as folder:
            found = [measured(*case) for case in cases(options.folder, options.planted, options.seed)]
            pd.DataFrame([row for row, _ in found]).to_csv(folder / "cases.csv", index=False)
            if options.transformed:
                rows = [row for name, ct, *_ in cases(options.folder, False, 0) for row in agreement(name, ct)]
                pd.DataFrame(rows).to_csv(folder / "transformed.csv", index=False)
            draw_pages([pictures for _, pictures in found], folder)
    except InputError as error:
        print(f"benchmark_chests: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
