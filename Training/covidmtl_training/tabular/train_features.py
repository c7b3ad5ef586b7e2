"""Train the features-only multitask network of the paper (section 7, Table 8) on the cohort tables.

    python Training/train_features.py --cohort DIR --out MODEL_FOLDER

Everything, scaling and recipe included, comes from the paper's 930 training rows; the 399 test rows are
evaluated once, with the finished model. ``--cross-validate`` compares the recipe with alternatives on the
training rows and never looks at the test rows. On one machine the same files come out every time.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import safetensors
import torch
import yaml
from COVIDMTLLib import __version__
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.feature_scaling import make_scaling, scale
from COVIDMTLLib.models.release_checkpoint import TASKS
from COVIDMTLLib.models.store import save_model
from COVIDMTLLib.networks import FeaturesMTL
from COVIDMTLLib.networks.losses import RandomWeightedLoss
from COVIDMTLLib.utils import atomic_files
from COVIDMTLLib.utils.errors import InputError
from sklearn.model_selection import RepeatedStratifiedKFold
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from ..cohort import cohort
from ..evaluation.metrics import auc, classification_metrics

HERE = Path(__file__).parents[2]
MODEL = HERE.parent / "COVIDMTL" / "Resources" / "Models" / "features-mtl"

CLASSES = [len(task["classes"]) for task in TASKS]

PUBLISHED_AUC = {"covid_ct": 0.886, "covid_nat": 0.802, "severity": 0.741}
"""Table 8 of the paper."""

FOLDS, REPEATS = 5, 2


def fit(features: np.ndarray, labels: np.ndarray, recipe: dict, seed: int) -> tuple[FeaturesMTL, dict]:
    """Train one network.

    Parameters
    ----------
    features : ndarray of shape (N, features)
        Unscaled.
    labels : ndarray of int, shape (N, tasks)
    recipe : dict
        As in ``features_mtl.yaml``.
    seed : int

    Returns
    -------
    FeaturesMTL, dict
        The network in evaluation mode, and the scaling it was trained with.
    """
    torch.manual_seed(seed)
    scaling = make_scaling(features, **recipe["scaling"])
    inputs = torch.from_numpy(scale(features, scaling)).float()
    targets = torch.from_numpy(labels)
    network = FeaturesMTL(inputs.shape[1], CLASSES)
    deviations = inputs.std(dim=0)
    average = AveragedModel(network)
    loss = RandomWeightedLoss(len(CLASSES), recipe["draws"], seed=seed)
    optimizer = torch.optim.SGD(
        network.parameters(), recipe["lr"], recipe["momentum"], nesterov=True, weight_decay=recipe["weight_decay"]
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, recipe["epochs"], recipe["lr_min"])
    batches = round(len(inputs) / recipe["batch_size"])
    for epoch in range(recipe["epochs"]):
        for batch in torch.tensor_split(torch.randperm(len(inputs)), batches):
            noise = recipe["noise"] * deviations * torch.randn(len(batch), inputs.shape[1])
            optimizer.zero_grad()
            loss(network(inputs[batch] + noise), targets[batch]).backward()
            optimizer.step()
        schedule.step()
        if epoch >= recipe["average_from"]:
            average.update_parameters(network)
    trained = network if recipe["average_from"] >= recipe["epochs"] else average.module
    return trained.eval(), scaling


def predict(network: FeaturesMTL, scaling: dict, features: np.ndarray) -> list[np.ndarray]:
    """Probabilities (N, classes) of each task for unscaled features (N, features)."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(scale(features, scaling)).float())
    return [torch.softmax(one.double(), dim=1).numpy() for one in logits]


def cross_validate(rows: cohort.Cohort, recipe: dict, seed: int) -> np.ndarray:
    """AUC (folds, tasks) of a recipe in repeated cross-validation, stratified by all labels together."""
    return np.array(list(_folds(rows, recipe, seed)))


def _folds(rows: cohort.Cohort, recipe: dict, seed: int) -> Iterator[list[float]]:
    strata = rows.labels @ [6, 3, 1]
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    for train, held_out in tqdm(folds.split(strata, strata), total=FOLDS * REPEATS, leave=False, desc="folds"):
        network, scaling = fit(rows.features[train], rows.labels[train], recipe, seed)
        probabilities = predict(network, scaling, rows.features[held_out])
        yield [auc(rows.labels[held_out, task], p) for task, p in enumerate(probabilities)]


def compare(train: cohort.Cohort, config: dict) -> None:
    """Print the cross-validated AUC of the recipe and of its alternatives."""
    print(f"{'AUC, mean (sd) over folds':<26}" + "".join(f"{task['name']:>16}" for task in TASKS))
    for name, changes in {"recipe": {}, **config["alternatives"]}.items():
        scores = cross_validate(train, config["recipe"] | changes, config["seed"])
        cells = (f"{mean:.4f} ({sd:.3f})" for mean, sd in zip(scores.mean(axis=0), scores.std(axis=0), strict=True))
        print(f"{name:<26}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


def train_and_save(train: cohort.Cohort, test: cohort.Cohort, config: dict, out: Path) -> None:
    """Train on all training rows, evaluate once on the test rows, write the model folder."""
    validated = cross_validate(train, config["recipe"], config["seed"])
    network, scaling = fit(train.features, train.labels, config["recipe"], config["seed"])
    probabilities = predict(network, scaling, test.features)
    metrics = {
        task["name"]: classification_metrics(test.labels[:, index], probabilities[index])
        for index, task in enumerate(TASKS)
    }
    card = {
        "name": "features-mtl",
        "title": "COVID-MTL on 375 lung features",
        "version": "1.1",
        "license": "Apache-2.0",
        "intended_use": (
            "Research use only: trained on 930 patients of two hospitals in Wuhan, early 2020, and tested on 399 of "
            "the same; what it says of other scanners, countries, variants and diseases is unknown."
        ),
        "architecture": "features-only multitask network: auxiliary FNN 375-256-128-64-32, one head a task",
        "tasks": TASKS,
        "features": list(FEATURE_NAMES),
        "lungs": "active-contour",
        "trained_at": "two hospitals in Wuhan, early 2020",
        "scaling": scaling,
        "training_distribution": out_of_distribution.describe(train.features),
        "split": {
            "function": "sklearn.model_selection.train_test_split",
            "stratify": "COVID_NAT",
            **cohort.SPLIT,
            "training_cases": len(train.labels),
            "test_cases": len(test.labels),
        },
        "cross_validation": {
            "folds": FOLDS,
            "repeats": REPEATS,
            "auc": {
                task["name"]: {"mean": float(validated[:, i].mean()), "sd": float(validated[:, i].std())}
                for i, task in enumerate(TASKS)
            },
        },
        "metrics": {"cases": len(test.labels), **metrics},
        "provenance": {
            "script": "Training/train_features.py",
            "seed": config["seed"],
            "recipe": config["recipe"],
            "data": [
                "Ning et al., Open resource of clinical data from patients with pneumonia for the prediction of "
                "COVID-19 outcomes via deep learning, Nat. Biomed. Eng. 2020",
                "Bao et al., COVID-MTL, Pattern Recognition 124, 2022, 108499",
            ],
            "test_rows": "evaluated once, by the run that wrote this file, with the recipe fixed before",
            "software": {
                "covid-mtl": __version__,
                "numpy": np.__version__,
                "safetensors": safetensors.__version__,
                "torch": torch.__version__,
            },
        },
    }
    with atomic_files.staged_folder(out) as folder:
        save_model(folder, card, network)
    print(f"{'AUC on the test rows':<26}{'published':>12}{'this':>12}{'difference':>12}")
    for name, published in PUBLISHED_AUC.items():
        reached = metrics[name]["auc"]
        print(f"{name:<26}{published:>12.3f}{reached:>12.4f}{reached - published:>+12.4f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, default=MODEL, help="model folder to write (default: the shipped one)")
    parser.add_argument(
        "--config", type=Path, default=HERE / "recipes" / "features_mtl.yaml", help="recipe and alternatives"
    )
    parser.add_argument("--cross-validate", action="store_true", help="only compare the recipe with its alternatives")
    options = parser.parse_args()
    torch.set_num_threads(1)  # the sums of several threads come in any order, and the network is small
    torch.use_deterministic_algorithms(True)
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        config = yaml.safe_load(options.config.read_text(encoding="utf-8"))
        train, test = cohort.paper_split(cohort.load(options.cohort))
        if options.cross_validate:
            compare(train, config)
        else:
            train_and_save(train, test, config, options.out)
    except InputError as error:
        print(f"train_features: {error}", file=sys.stderr)
        return 2
    return 0
