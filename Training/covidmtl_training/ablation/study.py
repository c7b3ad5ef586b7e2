"""The ablation study of the paper on any store: what Shift3D, the losses, transfer and refined lungs change.

    python Training/ablation.py --store STORE --initial-store STORE2 --out FOLDER --jobs 2

Redoes Figs. 4, 9 and 10 and Tables 6 and 7 (sections 5.3, 5.4 and 7), every network with several seeds, as
``ablation.yaml`` says. ``FOLDER/ablation.md`` says what was found, whichever way it falls. Runs that several figures
need are trained once, into ``FOLDER/runs``, and the same command goes on where it was stopped. Without
``--initial-store``, the same cases with the lungs that Algorithm 1 starts from, Table 6 is left out.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..data.store import open_store
from ..evaluation.predictions import CLASSES
from ..recipes.recipe import PAPER, read_recipe
from ..utils import figures, tables
from . import figures as ablation_figures
from . import summary
from .config import SETTINGS, read_config
from .effects import effects
from .plan import FIGURES, cells_of, plan
from .runs import Study, train_all

DRAWN = {"fig_4": ablation_figures.fig_4, "fig_9": ablation_figures.fig_9, "fig_10": ablation_figures.fig_10}
"""Figures that show curves; tables have a figure of their differences."""


def ablation(study: Study, names: Sequence[str], jobs: int = 1) -> str:
    """Train what is not trained yet, and write what is found.

    Parameters
    ----------
    study : Study
        To its folder go ``ablation.md``; for each figure and table a figure (SVG and PNG); of the tables the networks
        beside the paper's (CSV and Markdown); ``differences`` (CSV and Markdown).
    names : sequence of str
        Some of `FIGURES`.
    jobs : int
        Runs at a time.

    Returns
    -------
    str
        What was found, in short.

    Raises
    ------
    InputError
        If a store is none or lacks test cases, or as `train_all` does.
    """
    cases = {lungs: _test_cases(store) for lungs, store in study.stores.items()}
    comparisons = plan(names, study.config)
    train_all(study, cells_of(comparisons), jobs)
    found = effects(study, comparisons)
    epochs = read_recipe(study.base, study.changes)["epochs"]
    by_figure = {name: [one for one in comparisons if one.figure == name] for name in names}
    compared = {name: summary.published(study, by_figure[name]) for name in names if name not in DRAWN}
    with staged_folder(study.out) as folder:
        for name, own in by_figure.items():
            rows = found[found.figure == name]
            drawn = DRAWN[name](study, own, rows) if name in DRAWN else ablation_figures.differences(rows)
            figures.save(drawn, folder, name)
        for name, table in compared.items():
            tables.write(table, folder, name, shown=summary.published_to_read(table))
        listed = found.drop(columns="headline").assign(by_seed=[" ".join(map(str, one)) for one in found.by_seed])
        tables.write(listed, folder, "differences", shown=summary.to_read(found))
        text = summary.summary(study, comparisons, found, compared, cases["refined"], epochs)
        (folder / "ablation.md").write_text(text, encoding="utf-8")
    return summary.in_short(found)


def _test_cases(folder: Path) -> int:
    """Their number; they have to be of every class of each task."""
    store = open_store(folder)
    rows = store.rows("test")
    for (task, classes), labels in zip(CLASSES.items(), store.labels[rows].T, strict=True):
        if len(set(labels) - {MISSING}) < len(classes):
            raise InputError(f"The test cases of {folder} are not of every class of {task}; the ablation needs all.")
    return len(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--store", type=Path, required=True, help="folder of prepared cases")
    parser.add_argument("--initial-store", type=Path, help="the same cases with initial lungs, for Table 6")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs, figures, tables and summary")
    parser.add_argument("--config", type=Path, default=SETTINGS, help="settings of the study (default: ablation.yaml)")
    parser.add_argument("--base", type=Path, default=PAPER, help="recipe of all runs (default: the paper's)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe of all runs")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at a time (default: 1)")
    parser.add_argument("--only", nargs="+", choices=FIGURES, help="these figures and tables alone")
    options = parser.parse_args()
    stores = {"refined": options.store, "initial": options.initial_store}
    try:
        if options.jobs < 1:
            raise InputError(f"{options.jobs} runs at a time get nowhere; give 1 or more.")
        if options.initial_store is None:
            del stores["initial"]
            if "table_6" in (options.only or ()):
                raise InputError("Table 6 needs the same cases with initial lungs; give them with --initial-store.")
        names = [
            name for name in FIGURES if name in (options.only or FIGURES) and (name != "table_6" or "initial" in stores)
        ]
        study = Study(stores, read_config(options.config), options.base, tuple(options.set), options.out)
        print(ablation(study, names, options.jobs), end="")
    except InputError as error:
        print(f"ablation: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ablation: stopped; the same command goes on", file=sys.stderr)
        return 130
    return 0
