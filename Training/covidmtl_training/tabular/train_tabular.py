"""Train the models features and features+labs on the cohort tables (the team's own models, beyond the paper).

    python Training/train_tabular.py --cohort DIR --out FOLDER

Everything, the recipe included, comes from the paper's 930 training rows. The 399 test rows are looked at once with
each finished model, and ``test_looks.csv`` keeps the record of those looks. ``--cross-validate`` compares the recipe
with alternatives on the training rows and never looks at the test rows.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import safetensors
import sklearn
import torch
import yaml
from COVIDMTLLib import __version__
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.release_checkpoint import TASKS
from COVIDMTLLib.models.store import load_model, save_model
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

from ..cohort import cohort
from ..evaluation.limits import by_group
from ..evaluation.metrics import classification_metrics, expected_calibration_error
from ..evaluation.predictions import CLASSES, Predictions
from .combination import coverage_of, fit_all, held_out, validated
from .experts import FOLDS, PATIENT, REPEATS, Experts, fit_experts
from .leave_one_hospital_out import Elsewhere, left_out
from .missingness_reliance import lean
from .shipped import Answers, answers
from .test_set_log import RECORD, Look, record

HERE = Path(__file__).parents[2]
MODELS = HERE.parent / "COVIDMTL" / "Resources" / "Models"

TITLES = {
    "features": "375 lung features, age and sex",
    "features+labs": "375 lung features, age, sex and laboratory values",
}


TRAINED_AT = "two hospitals in Wuhan, early 2020"
"""Where what these models say holds; elsewhere it is shown with these words."""

LEANING = (
    " It leans on which laboratory values were measured, which in this cohort gives away much of the diagnosis: where "
    "other values are measured, or for other reasons, it is misled."
)


HALVED = re.compile(r".*(forest\.value|kernel\.cases|perceptrons\.weights\.\d)")
"""Weights that are in half precision already (see `tabular`)."""


class Trained(NamedTuple):
    """What is known of the models after their training.

    Attributes
    ----------
    said : dict
        What each model says of the test rows.
    crossed : DataFrame
        `combination.validated` of a cross-validation of all rows.
    left_out, leaning : DataFrame
        See `left_out` and `lean`.
    elsewhere : dict
        By hospital what the models say that have not seen it.
    coverage : DataFrame
        `combination.coverage_of` the same cross-validation as ``crossed``.
    """

    said: dict[str, Predictions]
    crossed: pd.DataFrame
    left_out: pd.DataFrame
    leaning: pd.DataFrame
    elsewhere: dict[str, Elsewhere]
    coverage: pd.DataFrame


def train_and_save(whole: cohort.Cohort, config: dict[str, Any], out: Path, looks: Path) -> Trained:
    """Train both models on the training rows, look once at the test rows with each, and write their folders.

    Parameters
    ----------
    whole : Cohort
    config : dict
        As in ``tabular.yaml``.
    out : Path
        Folder, for a folder of each model.
    looks : Path
        The record of looks at test rows, which is added to.
    """
    train, test = cohort.paper_split(whole)
    recipe, seed = config["recipe"], config["seed"]
    found = held_out(train, recipe, seed)
    experts = fit_experts(train, recipe, seed)
    fitted, of_training = fit_all(found, recipe["coverage"]), validated(found)
    everyone = held_out(whole, recipe, seed)
    crossed, (unseen, elsewhere) = validated(everyone), left_out(whole, everyone, recipe, seed)
    labels = dict(zip(CLASSES, test.labels.T, strict=True))
    said = {}
    for name in TITLES:
        with_labs = name == "features+labs"
        card, state = _model(experts, fitted, recipe["coverage"], with_labs)
        card = _describe(name, train, config, of_training, crossed) | card
        with staged_folder(out / name) as folder:
            save_model(folder, card, state)
            # As it will be used: from the files, case by case.
            model = load_model(folder, "cpu")
            answered = answers(model, test)
            said[name] = Predictions(test.patients.PID.to_numpy(), labels, answered.probabilities)
            card["metrics"] = {"cases": len(test.labels)} | _measures(answered, test)
            leaning = lean(model, train, test) if with_labs else None
            card["limits"] = _limits(name, by_group(whole, {name: said[name]}), unseen, leaning)
            save_model(folder, card, state)
        auc = {task: card["metrics"][task]["auc"] for task in CLASSES}
        record(looks, Look(name, model.card["weights"]["sha256"], auc))
    return Trained(said, crossed, unseen, leaning, elsewhere, coverage_of(everyone))


def compare(train: cohort.Cohort, config: dict[str, Any]) -> None:
    """Print the cross-validated AUC of the recipe and of its alternatives."""
    print(f"{'AUC, mean (sd) over folds':<28}" + "".join(f"{task['name']:>15}" for task in TASKS) * 2)
    for name, changes in {"recipe": {}, **config["alternatives"]}.items():
        table = validated(held_out(train, _changed(config["recipe"], changes), config["seed"]))
        cells = (f"{mean:.4f} ({sd:.3f})" for mean, sd in zip(table["mean"], table["sd"], strict=True))
        print(f"{name:<28}" + "".join(f"{cell:>15}" for cell in cells), flush=True)


def _changed(recipe, changes):
    return recipe | {key: recipe[key] | new if isinstance(new, dict) else new for key, new in changes.items()}


def _model(
    experts: Experts, fitted, coverage: float, with_labs: bool
) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What of the card depends on the experts, and the weights."""
    config = experts.config | ({} if with_labs else {"patient": 2, "labs_forest": None, "labs_kernel": None})
    network = build_network(config)
    known = ("without_labs", "with_labs") if with_labs else ("without_labs",)
    state = network.state_dict()
    state |= {name: tensor for name, tensor in experts.network.state_dict().items() if name in state}
    least = {}
    for one in known:
        weights, biases, lowest = zip(*fitted[one], strict=True)
        state[f"{one}.weight"] = torch.tensor(np.array(weights), dtype=torch.float32)
        state |= {f"{one}.bias.{i}": torch.tensor(bias, dtype=torch.float32) for i, bias in enumerate(biases)}
        least[one] = dict(zip(CLASSES, lowest, strict=True))
    state |= {name: tensor.half() for name, tensor in state.items() if HALVED.fullmatch(name)}
    return {"network": config, "prediction_sets": least | {"coverage": coverage}, "scaling": experts.scaling}, state


def _describe(name, train, config, of_training, everyone) -> dict[str, Any]:
    return {
        "name": name,
        "title": TITLES[name],
        "version": "1.0",
        "license": "Apache-2.0",
        "intended_use": (
            "Research use only, and for these two hospitals or one that trains it anew: trained on 930 patients of "
            "two hospitals in Wuhan, early 2020, it falls far behind in one that it has not seen (see its limits), and "
            "what it says of other scanners, countries, variants and diseases is unknown."
            + (LEANING if name == "features+labs" else "")
        ),
        "architecture": (
            "extremely randomised trees, kernel ridge regression and perceptrons on the CT's features, age and sex"
            + (", and the first two on laboratory values" if name == "features+labs" else "")
            + "; their log-probabilities are added with weights"
        ),
        "tasks": TASKS,
        "features": list(FEATURE_NAMES),
        "lungs": "active-contour",
        "trained_at": TRAINED_AT,
        "patient_values": PATIENT if name == "features+labs" else PATIENT[:2],
        "training_distribution": out_of_distribution.describe(train.features),
        "split": {
            "function": "sklearn.model_selection.train_test_split",
            "stratify": "COVID_NAT",
            **cohort.SPLIT,
            "training_cases": len(train.labels),
        },
        "cross_validation": {
            "folds": FOLDS,
            "repeats": REPEATS,
            "training_rows": _of_model(of_training, name),
            "all_rows": _of_model(everyone, name),
        },
        "provenance": {
            "script": "Training/train_tabular.py",
            "seed": config["seed"],
            "recipe": config["recipe"],
            "data": [
                "Ning et al., Open resource of clinical data from patients with pneumonia for the prediction of "
                "COVID-19 outcomes via deep learning, Nat. Biomed. Eng. 2020",
                "Bao et al., COVID-MTL, Pattern Recognition 124, 2022, 108499",
            ],
            "test_rows": (
                "looked at once with these weights, after other recipes, and this one was kept knowing what they gave; "
                "see Training/test_looks.csv"
            ),
            "software": {
                "covid-mtl": __version__,
                "numpy": np.__version__,
                "safetensors": safetensors.__version__,
                "scikit-learn": sklearn.__version__,
                "torch": torch.__version__,
            },
        },
    }


def _of_model(table, name):
    rows = table[table.model == name].drop(columns="model").to_dict("records")
    return {row.pop("task"): row for row in rows}


def _limits(name, groups, unseen, leaning) -> list[dict[str, Any]]:
    """AUC by task where the model was tested, hospital by hospital and so on, and how it does without what it saw."""
    groups = groups[groups.grouping != "all"]
    parts = [(f"{row.grouping}: {row.group}", row.task, row.auc) for row in groups.itertuples()]
    unseen = unseen[unseen.model == name]
    for row in unseen.itertuples():
        parts.append((f"all patients of {row.hospital}, cross-validated", row.task, row.seen))
        parts.append((f"all patients of {row.hospital}, trained on the other hospital alone", row.task, row.unseen))
    if leaning is not None:
        parts += [(f"told {row.told}", row.task, row.auc) for row in leaning.itertuples()]
    found: dict[str, dict[str, Any]] = {}
    for where, task, auc in parts:
        found.setdefault(where, {})[task] = None if np.isnan(auc) else round(auc, 4)
    return [{"where": where, "auc": auc} for where, auc in found.items()]


def _measures(said: Answers, test: cohort.Cohort) -> dict[str, Any]:
    """The measures on the test rows by task."""
    found = {}
    for index, task in enumerate(CLASSES):
        labels, probabilities = test.labels[:, index], said.probabilities[task]
        found[task] = classification_metrics(labels, probabilities) | {
            "ece": expected_calibration_error(labels, probabilities),
            "set_coverage": float(np.mean(said.sets[task][np.arange(len(labels)), labels])),
            "set_coverage_by_class": [
                float(in_set[labels == index].mean()) for index, in_set in enumerate(said.sets[task].T)
            ],
            "set_size": float(said.sets[task].sum(axis=1).mean()),
        }
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for both models (default: the shipped ones)")
    parser.add_argument(
        "--config", type=Path, default=HERE / "recipes" / "tabular.yaml", help="recipe and alternatives"
    )
    parser.add_argument("--looks", type=Path, default=RECORD, help="record of looks at the test rows to add to")
    parser.add_argument("--cross-validate", action="store_true", help="only compare the recipe with its alternatives")
    options = parser.parse_args()
    torch.set_num_threads(1)
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        whole = cohort.load(options.cohort)
        if options.cross_validate:
            compare(cohort.paper_split(whole)[0], config)
        else:
            train_and_save(whole, config, options.out, options.looks)
    except InputError as error:
        print(f"train_tabular: {error}", file=sys.stderr)
        return 2
    return 0
