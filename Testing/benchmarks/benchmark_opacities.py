"""Measure how well planted opacities are found in real chest CTs, beside plain thresholds and Otsu's.

    python Testing/benchmarks/benchmark_opacities.py FOLDER --out DIR [--seeds 201 202] [--only lung1] [--transformed]

FOLDER holds CTs with what is known of their lungs, as for benchmark_chests.py. Each CT is taken as it is, and with
opacities of each kind planted in its lungs for each seed, which has an amount of its own. Lungs are those that robust
finds in the CT with the opacities, so that what it loses counts; and the known ones, so that it is seen what it costs.

CTs have opacities of their own, which are not wrong. So there are two figures: Dice and error in all, where they count
as wrong, and "beside own", where what the same method finds in the CT as it is is left out.

Writes to DIR: cases.csv, a row a case and method; summary.md, means from 10 % on; page-1.png and so on, the planted
opacities and what was found.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.volume import Volume, to_working_grid
from COVIDMTLLib.opacities import find_opacities
from COVIDMTLLib.segmentation.left_right import right_and_left
from COVIDMTLLib.segmentation.methods import segment
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

sys.path[:0] = [str(Path(__file__).parents[1])]

from benchmarks.benchmark_chests import transformed  # noqa: E402
from support.data.known_lungs import known_lungs  # noqa: E402
from support.data.planted_opacities import KINDS, plant  # noqa: E402
from support.lung_pictures import Band, band, draw_pages  # noqa: E402

AMOUNTS = 0.1, 0.2, 0.4, 0.05
"""Shares of the lung that are planted, in turns over kinds and seeds."""

PLAIN = -700
"""HU above which a plain threshold takes lung for an opacity."""

LEAST = 0.1
"""Share of the lung from which on cases count in the summary."""


def by_threshold(ct: Volume, lungs: Volume) -> np.ndarray:
    return (lungs.array > 0) & (ct.array > PLAIN)


def by_otsu(ct: Volume, lungs: Volume) -> np.ndarray:
    from skimage.filters import threshold_otsu

    inside = lungs.array > 0
    return inside & (ct.array > threshold_otsu(np.clip(ct.array[inside], -1000, 100)))


def by_opacities(ct: Volume, lungs: Volume) -> np.ndarray:
    return find_opacities(ct, lungs).labels.array > 0


KNOWN = "opacities, lungs known"

METHODS: dict[str, Callable[[Volume, Volume], np.ndarray]] = {
    "opacities": by_opacities,
    KNOWN: by_opacities,
    f"above {PLAIN} HU": by_threshold,
    "Otsu": by_otsu,
}


def dice_of(found: np.ndarray, truth: np.ndarray) -> float:
    both = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(found & truth) / both if both else float("nan")


def of_ct(path: Path, folder: Path, options: argparse.Namespace) -> tuple[list[dict], list[Band]]:
    """Rows and pictures of a CT, as it is and with opacities planted."""
    name = path.name.partition("_image.")[0]
    ct = to_working_grid(read_ct(path))
    truth = known_lungs(folder, name, ct)
    if truth is None:
        return [], []
    lung = truth[0]
    known = ct.with_array(right_and_left(lung, ct.array))
    rows, pictures, own = [], [], {}
    for kind, amount, seed in [("", 0.0, 0), *planned(options)]:
        changed, planted = ct, np.zeros(lung.shape, bool)
        if kind:
            changed, mask = plant(ct, ct.with_array(lung.astype(np.uint8)), kind, amount, seed)
            planted = mask.array > 0
        found_lungs = segment(changed, "robust")
        shown = {}
        for method, find in METHODS.items():
            start = time.perf_counter()
            lungs = known if method == KNOWN else found_lungs
            found = find(changed, lungs)
            row = {"case": name, "kind": kind, "amount": amount, "seed": seed, "method": method}
            row["seconds"] = time.perf_counter() - start
            row["share"] = np.count_nonzero(found) / np.count_nonzero(lungs.array)
            if not kind:
                own[method] = found
            else:
                beside = found & ~(own[method] & ~planted)
                row["dice"], row["dice_beside_own"] = dice_of(found, planted), dice_of(beside, planted)
                row["error"], row["error_beside_own"] = (
                    (np.count_nonzero(mask) - np.count_nonzero(planted)) / np.count_nonzero(lung)
                    for mask in (found, beside)
                )
                shown[method] = f"Dice {row['dice']:.2f}, {row['dice_beside_own']:.2f} beside its own", found
            rows.append(row)
            said = ", ".join(f"{key} {value:.3f}" for key, value in row.items() if isinstance(value, float))
            print(f"{name} {kind} {method}: {said}", file=sys.stderr, flush=True)
        if kind:
            pictures.append(band(f"{name}: {kind} {amount:.0%}", changed.array, planted, planted, shown))
    return rows, pictures


def of_transformed(path: Path) -> list[dict]:
    """A row for a CT as it is, and for each transformation of it that does not leave the densities as they are."""
    name = path.name.partition("_image.")[0]
    ct = to_working_grid(read_ct(path))
    rows: list[dict] = []
    for done, changed, _back in [("as it is", ct, None), *transformed(ct)]:
        if done.startswith(("mirrored", "padded")):
            continue
        row = {"case": name, "transformation": done, "share": np.nan, "points": np.nan, "error": ""}
        try:
            lungs = segment(changed, "robust")
            row["share"] = np.count_nonzero(by_opacities(changed, lungs)) / np.count_nonzero(lungs.array)
            row["points"] = 100 * (row["share"] - rows[0]["share"]) if rows else 0.0
        except InputError as refused:
            row["error"] = str(refused)
        rows.append(row)
        print(f"{name}, {done}: {row['share']:.3f} {row['error']}", file=sys.stderr, flush=True)
    return rows


def planned(options: argparse.Namespace) -> list[tuple[str, float, int]]:
    """Kind, amount and seed of what is planted in each CT."""
    amounts = options.amounts
    return [
        (kind, amounts[(place + number) % len(amounts)], seed)
        for number, seed in enumerate(options.seeds)
        for place, kind in enumerate(options.kinds)
    ]


def summary(cases: pd.DataFrame) -> pd.DataFrame:
    """Means over planted cases from `LEAST` on, by method and kind and in all."""
    planted = cases[(cases.kind != "") & (cases.amount >= LEAST)]
    planted = planted.assign(points=100 * planted.error.abs(), points_beside_own=100 * planted.error_beside_own.abs())
    measures = ["dice", "dice_beside_own", "points", "points_beside_own"]
    parts = [planted.groupby(["method", "kind"], sort=False)[measures].mean().reset_index()]
    parts.append(planted.groupby("method", sort=False)[measures].mean().reset_index().assign(kind="all"))
    return pd.concat(parts)


def as_markdown(table: pd.DataFrame, unchanged: pd.DataFrame) -> str:
    lines = [
        f"Means of cases with {LEAST:.0%} of the lung and more. Points: error of the share of the lung, in hundredths.",
        "",
        "| method | kind | Dice | beside own | points | beside own |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in table.itertuples():
        figures = f"{row.dice:.3f} | {row.dice_beside_own:.3f} | {row.points:.1f} | {row.points_beside_own:.1f}"
        lines.append(f"| {row.method} | {row.kind} | {figures} |")
    lines += ["", "Share of the lung that is found in the CTs as they are:", "", "| case | method | share |"]
    lines += ["| --- | --- | --- |"]
    lines += [f"| {row.case} | {row.method} | {row.share:.1%} |" for row in unchanged.itertuples()]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the CTs")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS), help="(default: all)")
    parser.add_argument("--amounts", nargs="+", type=float, default=AMOUNTS, help="shares of the lung, in turns")
    parser.add_argument("--seeds", nargs="+", type=int, default=[201, 202, 203], help="(default: 201 202 203)")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="names of the CTs that take part (default: all)")
    parser.add_argument(
        "--transformed", action="store_true", help="CTs turned, noisy and in thicker slices, with nothing planted"
    )
    options = parser.parse_args()
    rows, pictures = [], []
    try:
        with staged_folder(options.out) as folder:
            for path in sorted(options.folder.iterdir()):
                name = path.name.partition("_image.")[0]
                if (path.is_dir() or "_image." in path.name) and name in (options.only or [name]):
                    if options.transformed:
                        rows += of_transformed(path)
                        continue
                    more, shown = of_ct(path, options.folder, options)
                    rows, pictures = rows + more, pictures + shown
            if not rows:
                raise InputError(f"There is no CT with known lungs in {options.folder}; check the folder and --only.")
            table = pd.DataFrame(rows)
            if options.transformed:
                table.to_csv(folder / "transformed.csv", index=False)
                return 0
            table.to_csv(folder / "cases.csv", index=False)
            text = as_markdown(summary(table), table[table.kind == ""])
            (folder / "summary.md").write_text(text, encoding="utf-8")
            draw_pages(pictures, folder)
    except InputError as error:
        print(f"benchmark_opacities: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
