"""Train the model transportable on the cohort tables: few features, made to be read at a hospital that it has not seen.

    python Training/train_transportable.py --cohort DIR --out FOLDER

The procedure is ``transportable.yaml``. Weights come from the paper's 930 training rows; what results are worth
elsewhere comes from regressions that each saw the other hospital alone. The 399 test rows are looked at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy
import sklearn
import yaml
from COVIDMTLLib import __version__
from COVIDMTLLib.architectures.kernel_ridge import kernel_ridge_logits
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.feature_scaling import scale
from COVIDMTLLib.models.store import read_card, save_model
from COVIDMTLLib.prediction import likelihood_ratio
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from scipy.special import expit
from scipy.stats import norm
from sklearn.model_selection import StratifiedKFold

from ..cohort import cohort
from ..evaluation.metrics import classification_metrics, expected_calibration_error
from ..evaluation.significance import delong
from .test_set_log import RECORD, Look, record
from .transportable import choose, columns_of, fit, trained_elsewhere, two_classes

HERE = Path(__file__).parents[2]
MODELS = HERE.parent / "COVIDMTL" / "Resources" / "Models"
NAME = "transportable"

TASKS = [
    {"name": "covid_ct", "title": "COVID-19 by radiology (CT)", "classes": ["negative", "positive"]},
    {"name": "severe", "title": "Severe or critically ill with COVID-19", "classes": ["not severe", "severe"]},
]

NOT_GIVEN = [
    {
        "title": "COVID-19 by nucleic acid test",
        "reason": (
            "No CT says what a nucleic acid test would at a hospital that was not in the training: there, what models "
            "say of it is hardly better than chance."
        ),
    }
]

DENSITY = {"name": "90Percentile", "title": "Density that 90 % of the lung stay below", "unit": "HU", "offset": -1024}
"""A measure of dense lung that severity goes with, and no training is in."""

INTENDED_USE = (
    "Research use only. Made to be read at a hospital that it has not seen, where it says how far a CT speaks for "
    "dense, changed lung as of COVID-19 and gives no probability; calibrate it with local cases for that (covid-mtl "
    "calibrate). It cannot tell COVID-19 from other causes of dense lung, such as other pneumonias or tumours, of "
    "which its training has next to none."
)


def train_and_save(whole: cohort.Cohort, config: dict[str, Any], out: Path, looks: Path) -> pd.DataFrame:
    """Train the model, look once at the test rows, and write its folder.

    Returns
    -------
    DataFrame
        `unseen` of the cohort.
    """
    train, test = cohort.paper_split(whole)
    recipe = config["recipe"]
    x = columns_of(train, recipe["features"])
    scaling, weights = fit(x, two_classes(train), recipe)
    table = unseen(whole, config)
    said, sites, labels = trained_elsewhere(whole, recipe), whole.described().Hospital.to_numpy(), two_classes(whole)
    measure = columns_of(whole, [DENSITY["name"]])[:, 0]
    tasks = [task["name"] for task in TASKS]
    card = _describe(train, config, scaling, x) | {
        "evidence": {
            task: likelihood_ratio.describe(said[:, index], labels[:, index], sites, shrink=_behind(table, task))
            for index, task in enumerate(tasks)
        },
        "measures": {"severe": [DENSITY | {"evidence": likelihood_ratio.describe(measure, labels[:, 1], sites)}]},
        "unseen": _listed(table),
        "cross_validation": _cross_validated(train, config),
    }
    probabilities = expit(kernel_ridge_logits(weights, scale(columns_of(test, recipe["features"]), scaling)))
    card["metrics"] = {"cases": len(test.labels)} | {
        task: _measures(two_classes(test)[:, index], probabilities[:, index]) for index, task in enumerate(tasks)
    }
    with staged_folder(out / NAME) as folder:
        save_model(folder, card, {key: value for key, value in weights.items() if key != "left_out"})
        digest = read_card(folder)["weights"]["sha256"]
    auc = {"covid_ct": card["metrics"]["covid_ct"]["auc"], "covid_nat": np.nan, "severity": np.nan}
    record(looks, Look(NAME, digest, auc))
    return table


def unseen(whole: cohort.Cohort, config: dict[str, Any]) -> pd.DataFrame:
    """AUC in each hospital of regressions that were fitted to the other alone.

    Returns
    -------
    DataFrame
        ``hospital``, ``task``, ``cases``, ``auc``, ``auc_low``, ``auc_high`` (DeLong) by the recipe, which was chosen
        with looks at both hospitals; ``nested``, ``nested_low``, ``nested_high`` with features and numbers that were
        chosen in the other hospital alone, and ``chosen``, what was.
    """
    hospitals, labels = whole.described().Hospital.to_numpy(), two_classes(whole)
    said, rows = trained_elsewhere(whole, config["recipe"]), []
    for hospital in sorted(set(hospitals)):
        here = hospitals == hospital
        others, inside = whole.rows(np.flatnonzero(~here)), whole.rows(np.flatnonzero(here))
        chosen, _score = choose(others, config["selection"], config["recipe"]["clip"], config["seed"])
        scaling, weights = fit(columns_of(others, chosen["features"]), labels[~here], chosen)
        nested = kernel_ridge_logits(weights, scale(columns_of(inside, chosen["features"]), scaling))
        words = f"{chosen['group']}, {len(chosen['features'])} features, penalty {chosen['penalty']:g}"
        for index, task in enumerate(one["name"] for one in TASKS):
            known = labels[here, index]
            found = [_auc(known, one[:, index]) for one in (said[here], nested)]
            rows.append((hospital, task, len(known), *found[0], *found[1], words))
    ends = [f"{name}{end}" for name in ("auc", "nested") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["hospital", "task", "cases", *ends, "chosen"])


def _auc(labels, logits):
    probabilities = expit(logits)
    found = delong(labels, [np.stack([1 - probabilities, probabilities], axis=1)])
    return [float(found.values[0]), *map(float, found.intervals()[0])]


def _behind(table: pd.DataFrame, task: str) -> float:
    """How far the nested figures fall behind those of the recipe, as a ratio of distances between the classes."""
    rows = table[table.task == task]
    ratio = float(np.mean(norm.ppf(rows.nested) / norm.ppf(rows.auc)))
    return min(1.0, max(0.0, ratio))


def _listed(table: pd.DataFrame) -> list[dict[str, Any]]:
    """What the card says of hospitals unseen: the lower of both figures, and the other beside it."""
    found = []
    for hospital, rows in table.groupby("hospital"):
        tasks = {}
        for row in rows.itertuples():
            both = [[row.nested, row.nested_low, row.nested_high], [row.auc, row.auc_low, row.auc_high]]
            (auc, low, high), other = sorted(both)
            tasks[row.task] = {"auc": auc, "auc_low": low, "auc_high": high, "otherwise": other[0]}
            tasks[row.task] = {key: round(value, 4) for key, value in tasks[row.task].items()}
        found.append({"where": hospital, "cases": int(rows.cases.iloc[0]), "auc": tasks, "chosen": rows.chosen.iloc[0]})
    return found


def _measures(labels, probabilities) -> dict[str, Any]:
    both = np.stack([1 - probabilities, probabilities], axis=1)
    found = classification_metrics(labels, both)
    return found | {"ece": expected_calibration_error(labels, both)}


def _cross_validated(rows: cohort.Cohort, config: dict[str, Any], folds: int = 5) -> dict[str, Any]:
    """AUC of rows that a regression with the same recipe was not fitted to, by task."""
    recipe, labels = config["recipe"], two_classes(rows)
    x, said = columns_of(rows, recipe["features"]), np.empty(labels.shape)
    strata = np.unique(rows.labels, axis=0, return_inverse=True)[1].ravel()
    for train, out in StratifiedKFold(folds, shuffle=True, random_state=config["seed"]).split(x, strata):
        scaling, weights = fit(x[train], labels[train], recipe)
        said[out] = kernel_ridge_logits(weights, scale(x[out], scaling))
    found = {task["name"]: _auc(labels[:, index], said[:, index]) for index, task in enumerate(TASKS)}
    return {
        "folds": folds,
        "training_rows": {
            task: dict(zip(("auc", "auc_low", "auc_high"), aucs, strict=True)) for task, aucs in found.items()
        },
    }


def _describe(train, config, scaling, x) -> dict[str, Any]:
    recipe = config["recipe"]
    return {
        "name": NAME,
        "title": "Any hospital: 19 features",
        "version": "1.0",
        "license": "Apache-2.0",
        "intended_use": INTENDED_USE,
        "architecture": "kernel ridge regression of each task, centred, calibrated on what is left out",
        "tasks": TASKS,
        "features": recipe["features"],
        "lungs": "active-contour",
        "largest_slice_thickness_mm": 3.0,
        "not_given": NOT_GIVEN,
        "network": {
            "architecture": "kernel-ridge",
            "features": len(recipe["features"]),
            "tasks": TASKS,
            "cases": len(x),
            "penalty": recipe["penalty"],
        },
        "scaling": scaling,
        "training_distribution": out_of_distribution.describe(x),
        "split": {
            "function": "sklearn.model_selection.train_test_split",
            "stratify": "COVID_NAT",
            **cohort.SPLIT,
            "training_cases": len(x),
        },
        "provenance": {
            "script": "Training/train_transportable.py",
            "seed": config["seed"],
            "recipe": recipe,
            "selection": config["selection"],
            "data": [
                "Ning et al., Open resource of clinical data from patients with pneumonia for the prediction of "
                "COVID-19 outcomes via deep learning, Nat. Biomed. Eng. 2020",
                "Bao et al., COVID-MTL, Pattern Recognition 124, 2022, 108499",
            ],
            "features": (
                "chosen in a study of the same cohort that looked about 395 times at hospitals left out; the figures "
                "for a hospital unseen are those of a choice within one hospital alone, and those of these features "
                "stand beside them"
            ),
            "software": {
                "covid-mtl": __version__,
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
            },
        },
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for the model (default: the shipped ones)")
    parser.add_argument("--config", type=Path, default=HERE / "recipes" / "transportable.yaml", help="the procedure")
    parser.add_argument("--looks", type=Path, default=RECORD, help="record of looks at the test rows to add to")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        print(train_and_save(cohort.load(options.cohort), config, options.out, options.looks).to_string(index=False))
    except InputError as error:
        print(f"train_transportable: {error}", file=sys.stderr)
        return 2
    return 0
