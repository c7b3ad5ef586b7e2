"""The whole cohort study, redone: the paper's tables and figures from the cohort tables, and what goes past them.

    python Training/study.py --cohort DIR --out FOLDER [--hog hog.csv.gz]

Prints published and reproduced figures side by side, and writes them with everything else into the folder, in the order
of ``study.md``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from COVIDMTLLib.models.store import read_card
from COVIDMTLLib.utils.atomic_files import staged_file, staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..cohort import cohort
from ..evaluation.evaluate import evaluate
from ..evaluation.limits import limits
from ..evaluation.predictions import CLASSES, write
from ..tabular.simulate_calibration import simulate
from ..tabular.train_tabular import HERE, TITLES, train_and_save
from ..utils import tables
from .analyse import analyse, summary
from .baselines import baselines
from .compare_studies import compare_studies
from .unseen_hospital import unseen_hospital

FIGURE_8 = ("17", "567")
"""The infected and the normal study that the paper's authors chose for Fig. 8; another cohort has others."""

MACHINE_LEARNING = ("RF", "LGBM")
"""The rows of the paper's tables that see lung features alone, as the model features does."""


def study(whole: cohort.Cohort, config: dict[str, Any], out: Path, hog: Path | None = None) -> str:
    """Redo the study.

    Parameters
    ----------
    whole : Cohort
        With hospital, age, sex and laboratory values.
    config : dict
        As in ``tabular.yaml``.
    out : Path
        Folder, made if need be; each step writes into a folder of its own.
    hog : Path, optional
        HOG features for Table 9, as ``hog.py`` writes them.

    Returns
    -------
    str
        What ``study.md`` holds: published and reproduced figures side by side, as Markdown.

    Raises
    ------
    InputError
        As the steps do.
    """
    if whole.labs is None:
        raise InputError("The study needs the laboratory values of the cohort (labs.csv); add them to its folder.")
    out.mkdir(parents=True, exist_ok=True)
    _, test = cohort.paper_split(whole)

    analysed = _timed("Tables 1 and 5, Fig. 5 and 6", analyse, whole, out / "analysis")
    chosen = list(FIGURE_8) if set(FIGURE_8) <= set(whole.patients.PID.astype(str)) else None
    chosen = chosen or [_pid(test, group) for group in ([1, 1, 2], [0, 0, 0])]
    _timed("Fig. 8", compare_studies, whole, chosen, out / "analysis")
    models, published = _timed("Tables 3, 4, 8 and 9", baselines, whole, out / "baselines", hog)
    own = _timed("Own models", train_and_save, whole, config, out / "models", out / "test_looks.csv")
    for name, said in own.said.items():
        models[name] = out / "models" / f"predictions_{name}.csv"
        write(models[name], said)
    transport = yaml.safe_load((HERE / "recipes" / "transportable.yaml").read_text(encoding="utf-8"))
    elsewhere, selected = _timed("An unseen hospital", unseen_hospital, whole, transport, own.elsewhere)
    calibrated = _timed("Calibration by a site", simulate, whole, transport)
    found = _timed("Fig. 3, intervals and tests", evaluate, models, out / "evaluation")
    limited = _timed("Limits", limits, whole, models, out / "limits")
    with staged_folder(out / "limits") as folder:
        for name, table in (
            ("leaning", own.leaning),
            ("hospital_left_out", own.left_out),
            ("unseen_hospital", elsewhere),
            ("selected", selected),
            ("calibration_by_a_site", calibrated),
            ("coverage_by_class", own.coverage),
        ):
            tables.write(table, folder, name, shown=tables.with_intervals(table))

    sections = {
        "Tables 1 and 5": summary(analysed) + "\n",
        "Tables 3, 4, 8 and 9": tables.markdown(published, digits=4),
        "Own models against the best published AUC, test rows": tables.markdown(_headline(found.measures), digits=4),
        "Own models, calibration on the test rows": tables.markdown(_calibration(out / "models")),
        "Own models, cross-validation of all rows": tables.markdown(tables.with_intervals(own.crossed)),
        "An unseen hospital": tables.markdown(tables.with_intervals(elsewhere)),
        "An unseen hospital, features and numbers as written down and as selected within the other": tables.markdown(
            tables.with_intervals(selected)
        ),
        "A site calibrates with its own cases": tables.markdown(calibrated),
        "Own models, coverage of the sets by class, cross-validation of all rows": tables.markdown(own.coverage),
        "Hospital left out of training": tables.markdown(tables.with_intervals(own.left_out)),
        "What missing laboratory values give away": tables.markdown(tables.with_intervals(limited["missing_labs"])),
        "How far features+labs leans on it": tables.markdown(tables.with_intervals(own.leaning)),
    }
    text = "# Cohort study\n" + "".join(f"\n## {title}\n\n{body}" for title, body in sections.items())
    with staged_file(out / "study.md") as path:
        path.write_text(text, encoding="utf-8")
    return text


def _headline(measures: pd.DataFrame) -> pd.DataFrame:
    """AUC of the own models on the test rows beside the best that the paper gives."""
    rows = []
    for task, published in (tables.PUBLISHED["table_3"] | tables.PUBLISHED["table_4"]).items():
        learning = max(published[name]["auc"] for name in MACHINE_LEARNING)
        best = max(one["auc"] for one in published.values())
        for model in TITLES:
            auc = measures[(measures.model == model) & (measures.task == task)].auc.item()
            rows.append((task, model, learning, best, auc, auc - learning, auc - best))
    columns = ["task", "model", "published, features", "published, best", "AUC", "less features", "less best"]
    return pd.DataFrame(rows, columns=columns)


def _calibration(folder: Path) -> pd.DataFrame:
    """Calibration and prediction sets of the own models on the test rows."""
    rows = []
    for model in TITLES:
        card = read_card(folder / model)
        for task in CLASSES:
            found = card["metrics"][task]
            rows.append((task, model, found["ece"], found["set_coverage"], found["set_size"]))
    return pd.DataFrame(rows, columns=["task", "model", "ECE", "coverage of the sets", "mean size"])


def _timed(title: str, step: Callable[..., Any], *arguments: Any) -> Any:
    start = time.monotonic()
    print(f"{title} ...", file=sys.stderr, flush=True)
    found = step(*arguments)
    print(f"{title}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def _pid(rows: cohort.Cohort, labels: list[int]) -> str:
    """The first patient with these labels."""
    found = np.flatnonzero((rows.labels == labels).all(axis=1))
    if not len(found):
        raise InputError(f"None of the test rows has the labels {labels}; give a larger cohort.")
    return str(rows.patients.PID.iloc[found[0]])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for everything")
    parser.add_argument(
        "--config", type=Path, default=HERE / "recipes" / "tabular.yaml", help="recipe of the own models"
    )
    parser.add_argument("--hog", type=Path, help="HOG features of the cohort, as hog.py writes them, for Table 9")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        print(study(cohort.load(options.cohort), config, options.out, options.hog), end="")
    except InputError as error:
        print(f"study: {error}", file=sys.stderr)
        return 2
    return 0
