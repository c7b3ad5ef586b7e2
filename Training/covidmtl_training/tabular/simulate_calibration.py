"""What `covid-mtl calibrate` gives a hospital: simulated with each of the cohort's, by local cases drawn from it.

python Training/simulate_calibration.py --cohort DIR --out FOLDER
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from COVIDMTLLib.architectures.kernel_ridge import kernel_ridge_logits
from COVIDMTLLib.models.feature_scaling import scale
from COVIDMTLLib.prediction.site_calibration import MIN_OF_CLASS, LocalCases, before, calibrate, measures
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..cohort import cohort
from ..utils import tables
from .train_transportable import HERE, TASKS
from .transportable import columns_of, fit, two_classes

SIZES, DRAWS = (20, 50, 100), 20
"""Local cases, and how often they are drawn."""


def simulate(
    whole: cohort.Cohort, config: dict[str, Any], sizes: Sequence[int] = SIZES, draws: int = DRAWS
) -> pd.DataFrame:
    """AUC and calibration error at a hospital before and after its own cases are used.

    Returns
    -------
    DataFrame
        ``hospital``, ``task``, ``local`` cases, ``draws`` in which both classes were among them, and the means over
        draws of ``auc_before``, ``auc_after``, ``ece_before``, ``ece_after``, all of the patients not drawn, and of
        ``worst``, the largest fall of the AUC in a draw.
    """
    recipe, hospitals = config["recipe"], whole.described().Hospital.to_numpy()
    x, labels, rows = columns_of(whole, recipe["features"]), two_classes(whole), []
    for hospital in sorted(set(hospitals)):
        here = np.flatnonzero(hospitals == hospital)
        scaling, weights = fit(x[hospitals != hospital], labels[hospitals != hospital], recipe)
        scaled, rng = scale(x[here], scaling), np.random.default_rng(config["seed"])
        for size in sizes:
            found: dict[str, list[list[float]]] = {task["name"]: [] for task in TASKS}
            for _ in range(draws):
                drawn = rng.permutation(len(here))
                local, rest = drawn[:size], drawn[size:]
                for index, task in enumerate(found):
                    known = labels[here][:, index]
                    if min(np.bincount(known[part], minlength=2).min() for part in (local, rest)) < MIN_OF_CLASS:
                        continue
                    of_task = {key: weights[key][..., [index]] for key in ("labels", "dual", "slope", "bias")}
                    one = weights | of_task
                    cases = LocalCases(scaled[local], known[local, np.newaxis].astype(float))
                    fitted, _how = calibrate(one, cases, recipe["penalty"])
                    old = measures(known[rest], before(one, scaled[rest])[:, 0])
                    new = measures(known[rest], kernel_ridge_logits(fitted, scaled[rest])[:, 0])
                    found[task].append([old["auc"], new["auc"], old["ece"], new["ece"], old["auc"] - new["auc"]])
            for task, values in found.items():
                if values:
                    mean = np.mean(values, axis=0)
                    rows.append((hospital, task, size, len(values), *mean[:4], float(np.max(values, axis=0)[4])))
    columns = ["auc_before", "auc_after", "ece_before", "ece_after", "worst"]
    return pd.DataFrame(rows, columns=["hospital", "task", "local", "draws", *columns])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for the table")
    parser.add_argument("--config", type=Path, default=HERE / "recipes" / "transportable.yaml", help="the procedure")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        table = simulate(cohort.load(options.cohort), config)
    except InputError as error:
        print(f"simulate_calibration: {error}", file=sys.stderr)
        return 2
    with staged_folder(options.out) as folder:
        tables.write(table, folder, "calibration")
    print(tables.markdown(table, digits=3), end="")
    return 0
