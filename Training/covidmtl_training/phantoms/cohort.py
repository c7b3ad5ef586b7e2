"""Make a cohort of synthetic thoraxes with the three labels, to try training and evaluation on.

    python Training/phantoms.py --out DIR --cases 300 --spacing 5 --jobs 2

It shows that the software works and how parts of the network compare; it says nothing about patients. Writes the case
table ``cases.csv`` with ``ct/`` and ``lungs/``, the true lungs; ``initial.csv``, the same with the lungs that
thresholding finds (``initial_lungs/``), without most of what is consolidated; and ``overview.png`` to look at. The
same command goes on where it was stopped, and with more ``--cases`` adds to a cohort.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from tqdm import tqdm

from ..utils.workers import workers
from . import cases as phantom_cases
from .labels import draw, draw_cases
from .overview import overview

RECIPE = "phantoms.json"
"""File beside the tables that says how a cohort was made, so that another one does not mix with it."""

SPACINGS = (0.5, 15.0)
"""Finest, which makes some 300 million voxels, and coarsest, of which thresholding still finds the lungs, mm."""


def make_cohort(
    out: Path, cases: int, *, spacing: float = 5.0, seed: int = 0, test_share: float = 0.3, jobs: int = 1
) -> pd.DataFrame:
    """Make the cohort of `phantom_labels.draw_cases` as files.

    Parameters
    ----------
    out : Path
        Folder, made if need be. Cases that are there are kept.
    cases : int
    spacing : float
        Of the isotropic voxels, mm.
    seed : int
        A case depends on this and on its number alone.
    test_share : float
        Share of the cases that are for testing.
    jobs : int
        Processes that make cases; each takes 0.3 GB of memory and some 20 bytes a voxel.

    Returns
    -------
    DataFrame
        What is in ``cases.csv``: the case table, and all of `phantom_labels.Truth`.

    Raises
    ------
    InputError
        For numbers that make no cohort, a folder that holds another one or cannot be written to, or if a process ends.
    """
    if not SPACINGS[0] <= spacing <= SPACINGS[1]:
        raise InputError(f"The spacing must be {SPACINGS[0]} to {SPACINGS[1]} mm, not {spacing}.")
    if jobs < 1:
        raise InputError(f"The number of jobs must be 1 or more, not {jobs}.")
    table = draw_cases(cases, seed, test_share)
    _claim(out, {"seed": seed, "spacing": spacing, "first_case": asdict(draw(seed, 0))})
    write = partial(phantom_cases.write, spacing=spacing, folder=out)
    with workers(jobs, finish=True) as each, tqdm(total=cases, desc="phantoms", unit="case") as bar:
        for _ in each(write, table.to_dict("records")):
            bar.update()
    found = [phantom_cases.path(out, "initial", case).is_file() for case in table.case]
    tables = {"cases.csv": _case_table(table, "lungs"), "initial.csv": _case_table(table, "initial")[found]}
    with staged_folder(out) as folder:
        for name, content in tables.items():
            content.to_csv(folder / name, index=False)
        overview(out, table).savefig(folder / "overview.png")
    return tables["cases.csv"]


def _claim(out: Path, recipe: dict[str, Any]) -> None:
    """Write how the cohort is made, unless it is there, and the same."""
    path = out / RECIPE
    if not path.exists():
        with staged_folder(out) as folder:
            (folder / RECIPE).write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        return
    try:
        same = json.loads(path.read_text(encoding="utf-8")) == recipe
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read; choose another folder.") from error
    if not same:
        raise InputError(
            f"{out} holds phantoms of another seed, spacing or version (see {RECIPE}); choose another folder."
        )


def _case_table(table: pd.DataFrame, lungs: str) -> pd.DataFrame:
    """The table with the paths of each case, from the folder of the table."""
    paths = {
        column: [phantom_cases.path(Path(), what, case).as_posix() for case in table.case]
        for column, what in (("ct", "ct"), ("lungs", lungs))
    }
    return pd.concat([table[["case"]], pd.DataFrame(paths), table.drop(columns="case")], axis=1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the cohort")
    parser.add_argument("--cases", type=int, required=True, help="how many")
    parser.add_argument("--spacing", type=float, default=5.0, help="of the voxels in mm (default: 5)")
    parser.add_argument("--seed", type=int, default=0, help="another cohort for every seed (default: 0)")
    parser.add_argument("--test-share", type=float, default=0.3, help="of the cases (default: 0.3)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that make cases (default: 1)")
    options = vars(parser.parse_args())
    try:
        table = make_cohort(options.pop("out"), options.pop("cases"), **options)
    except InputError as error:
        print(f"phantoms: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("phantoms: stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    print(table.groupby(["state", "split"], sort=False).size().unstack(fill_value=0).to_string())
    return 0
