"""What the default model says of every CT of a folder, and how far that moves, as a table.

    python Testing/benchmarks/verdicts_of_cts.py FOLDER --out verdicts_of_cts.csv [--keep DIR]

``--keep`` keeps the lungs that were found, to go on with after an interruption.
"""

import argparse
import csv
from pathlib import Path

from COVIDMTLLib.features.extraction import low_pass_features
from COVIDMTLLib.imaging import ct_checks
from COVIDMTLLib.imaging.io.reader import read_mask, read_study
from COVIDMTLLib.imaging.io.writer import write_volume
from COVIDMTLLib.imaging.volume import labels_on, to_working_grid
from COVIDMTLLib.measurements.density import lung_densities
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.prediction.abstention import why_no_verdict
from COVIDMTLLib.prediction.stability import stability
from COVIDMTLLib.prediction.verdicts import judge
from COVIDMTLLib.segmentation import methods, plausibility
from COVIDMTLLib.utils.errors import InputError

COLUMNS = [
    "ct", "no verdict", "covid_ct", "likelihood ratio", "low", "high", "severe", "severe ratio", "stable",
    "robust", "noise", "turn", "second slice", "third slice",
]  # fmt: skip


def row_of(path, keep):
    """The row of a CT; moves are those of COVID-19 by CT, in points of its probability."""
    model, row = load_model(), {"ct": path.name.partition(".")[0]}
    try:
        ct = read_study(path, None).ct
        working = to_working_grid(ct)
        lungs = {method: found(working, method, path.name, keep) for method in ("robust", "active-contour")}
    except InputError as error:
        return row | {"no verdict": str(error)}
    measured = lungs["robust"]
    reason = plausibility.no_verdict(measured.array, working.array, path.name)
    if reason is None:
        features = low_pass_features(working, lungs["active-contour"].array)
        thickness = ct.geometry.spacing[ct_checks.axial_axis(ct.geometry)]
        reason = why_no_verdict(model.card, thickness, lung_densities(working, measured), features)
    if reason is not None:
        return row | {"no verdict": reason}
    said = judge(features, model)["tasks"]
    moved = stability(model, ct, working, lungs["active-contour"], [("robust", measured)], features, thorough=True)
    by = [f"{100 * one['probability']:+.0f}" for one in moved["covid_ct"]["moves"]]
    of_ct = said["covid_ct"]["evidence"]
    ratios = [f"{of_ct[f'likelihood_ratio{end}']:.2g}" for end in ("", "_low", "_high")]
    # The third slice is shown and does not count: the result of a user knows the second alone.
    stable = all(abs(one["probability"]) <= 0.1 for one in moved["covid_ct"]["moves"] if "third" not in one["by"])
    values = [said["covid_ct"]["verdict"], *ratios, said["severe"]["verdict"]]
    values += [f"{said['severe']['evidence']['likelihood_ratio']:.2g}", "yes" if stable else "no", *by]
    return row | dict(zip(COLUMNS[2:], values, strict=False))


def found(working, method, name, keep):
    """Lungs by a method, from the folder that keeps them if they are there."""
    path = keep / f"{name}_{method}.nrrd" if keep else None
    if path is not None and path.is_file():
        return labels_on(read_mask(path), working.geometry)
    lungs = methods.segment(working, method, name=name)
    if path is not None:
        write_volume(lungs, path)
    return lungs


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of CTs")
    parser.add_argument("--out", type=Path, required=True, help="table to write")
    parser.add_argument("--keep", type=Path, help="folder for lungs")
    parser.add_argument("--cts", nargs="+", help="names of files or folders; by default all that are CTs")
    options = parser.parse_args()
    names = options.cts or sorted(
        path.name for path in options.folder.iterdir() if path.is_dir() or "_image." in path.name
    )
    if options.keep:
        options.keep.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in names:
        rows.append(row_of(options.folder / name, options.keep))
        print(rows[-1], flush=True)
        with options.out.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
