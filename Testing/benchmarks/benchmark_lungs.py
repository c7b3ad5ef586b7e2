"""Compare the methods of lung segmentation on CTs with known lungs, as Table 2 of the paper does.

    python Testing/benchmarks/benchmark_lungs.py FOLDER --out DIR [--methods classical active-contour ...]
    python Testing/benchmarks/benchmark_lungs.py FOLDER --out DIR --planted [--seeds 1 2 3] [--no-timing]

FOLDER holds the cases: NAME_ct.nrrd, NAME_lungs.nrrd and, if known, NAME_opacities.nrrd; or .nii.gz, .nii, .mha, .mhd.
Each is taken as it is and, with any of --planted, --kinds, --amounts and --seeds, with opacities planted in its lungs,
which stay what they were. All is compared on the 1 mm working grid. lungmask takes part where the package and its
weights are installed; nothing is downloaded.

Writes to DIR: cases.csv, a row a case and method; summary.csv and summary.md, mean and standard deviation a group of
cases and method; page-1.png and so on, each case with the outlines of every method. A method that refuses a case counts
with an empty mask, and without seconds. Seconds are those of the method alone, and are compared with those of
Algorithm 1 of the paper on whole slices, unless --no-timing is given.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.cohort.folder import IMAGE_SUFFIXES
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask
from COVIDMTLLib.imaging.volume import Volume, to_working_grid
from COVIDMTLLib.segmentation.methods import MODULES, mask_on
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.optional_imports import require

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "Training")]

from covidmtl_training.utils.tables import write  # noqa: E402
from support.data.planted_opacities import KINDS, plant  # noqa: E402
from support.lung_measures import MEASURES, as_shown, measure, summarise  # noqa: E402
from support.lung_methods import PLAIN, Method, choose_methods, plain  # noqa: E402
from support.lung_pictures import Band, band, draw_pages  # noqa: E402

AMOUNTS = {
    "ground-glass": (0.1, 0.3),
    "crazy-paving": (0.1, 0.3),
    "consolidation": (0.1, 0.3),
    "white-lung": (0.2, 0.4),
    "mass": (0.03, 0.1),
}
"""Shares of the lung that are planted of each kind, unless others are given."""


@dataclass(frozen=True)
class Case:
    """A CT on the working grid: HU, its lungs and what is known of its opacities; and what was planted in it."""

    name: str
    ct: Volume
    lungs: Volume
    opacities: Volume | None
    kind: str = ""
    amount: float = 0.0
    seed: int = 0

    @property
    def group(self) -> str:
        return f"{self.kind} {self.amount:g}" if self.kind else "as it is"

    @property
    def title(self) -> str:
        return f"{self.name}: {self.group}, seed {self.seed}" if self.kind else f"{self.name}: {self.group}"


def find_cases(folder: Path) -> dict[str, dict[str, Path]]:
    """Files of each case of a folder by name and by what they show: ct, lungs and perhaps opacities."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; check the path.")
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        suffix = next((suffix for suffix in IMAGE_SUFFIXES if path.name.lower().endswith(suffix)), None)
        name, _, what = path.name[: -len(suffix)].rpartition("_") if suffix else ("", "", "")
        if name and what in ("ct", "lungs", "opacities"):
            files = found.setdefault(name, {})
            if what in files:
                raise InputError(f"{folder.name} has two files {name}_{what}; remove one.")
            files[what] = path
    if not found:
        raise InputError(f"The folder {folder.name} holds no case: no NAME_ct.nrrd with a NAME_lungs.nrrd.")
    for name, files in found.items():
        for what in ("ct", "lungs"):
            if what not in files:
                raise InputError(f"{folder.name} has no {name}_{what} to go with {next(iter(files.values())).name}.")
    return found


def read_case(name: str, files: dict[str, Path]) -> Case:
    ct = to_working_grid(read_ct(files["ct"]))
    lungs, opacities = (
        mask_on(read_mask(files[what]), ct) if what in files else None for what in ("lungs", "opacities")
    )
    return Case(name, ct, lungs, opacities)


def with_planted(case: Case, kinds: dict[str, tuple[float, ...]], seeds: list[int]) -> Iterator[Case]:
    """The case as it is, then with each amount of opacities of each kind for each seed."""
    yield case
    for kind, amounts in kinds.items():
        for amount in amounts:
            for seed in seeds:
                ct, opacities = plant(case.ct, case.lungs, kind, amount, seed)
                yield Case(case.name, ct, case.lungs, opacities, kind, amount, seed)


def run(case: Case, methods: dict[str, Method]) -> tuple[list[dict], Band]:
    """A row for each method, and the pictures."""
    lungs = case.lungs.array > 0
    opacities = None if case.opacities is None else case.opacities.array > 0
    rows, found = [], {}
    for method, find in methods.items():
        error, start = "", time.perf_counter()
        try:
            mask = find(case.ct)
        except InputError as refused:
            error, mask = str(refused), np.zeros_like(lungs)
        seconds = time.perf_counter() - start
        row = {"case": case.name, "group": case.group, "kind": case.kind, "amount": case.amount, "seed": case.seed}
        row |= {"method": method, "seconds": np.nan if error else seconds, "error": error}
        row |= measure(mask, lungs, opacities)
        rows.append(row)
        found[method] = f"Dice {row['dice']:.3f}" + (", failed" if error else ""), mask
        print(
            f"{case.title}: {method}, {found[method][0]}, {row['seconds']:.1f} s {error}", file=sys.stderr, flush=True
        )
    base = next((row["seconds"] for row in rows if row["method"] == PLAIN), float("nan"))
    for row in rows:
        row["of_plain"] = row["seconds"] / base
    return rows, band(case.title, case.ct.array, lungs, opacities, found)


def compare(options: argparse.Namespace) -> None:
    """Run all methods on all cases and write what came of it."""
    files = find_cases(options.folder)
    methods = choose_methods(options.methods)
    if not options.no_timing:
        methods = {PLAIN: plain} | methods
    kinds = {}
    if options.planted or options.kinds or options.amounts or options.seeds:
        kinds = {kind: options.amounts or AMOUNTS[kind] for kind in options.kinds or KINDS}
    require(*MODULES)  # so that the first method is not timed with them
    rows, bands = [], []
    with staged_folder(options.out) as folder:
        for name, of_case in files.items():
            for case in with_planted(read_case(name, of_case), kinds, options.seeds or [1]):
                more, pictures = run(case, methods)
                rows += more
                bands.append(pictures)
        first = ["case", "group", "kind", "amount", "seed", "method"]
        table = pd.DataFrame(rows)[[*first, *MEASURES, "error"]]
        table.to_csv(folder / "cases.csv", index=False)
        summary = summarise(table)
        write(summary, folder, "summary", shown=as_shown(summary))
        draw_pages(bands, folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="folder of the cases")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the results")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="(default: all that are installed)")
    parser.add_argument("--planted", action="store_true", help="plant opacities of all kinds in each case")
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), help="plant opacities of these kinds")
    parser.add_argument("--amounts", nargs="+", type=float, help="shares of the lung to plant (default: two a kind)")
    parser.add_argument("--seeds", nargs="+", type=int, help="of what is planted, a case each (default: 1)")
    parser.add_argument("--no-timing", action="store_true", help="leave out Algorithm 1 on whole slices, which is slow")
    try:
        compare(parser.parse_args())
    except InputError as error:
        print(f"benchmark_lungs: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
