"""The machine-learning models of the paper: RF and LGBM in Tables 3, 4 and 9, features-mtl in Table 8.

    python Training/baselines.py --cohort DIR --out FOLDER [--hog hog.csv.gz]

Writes the tables, what each model says of the paper's 399 test rows (see `predictions`), and both beside the paper.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from lightgbm import LGBMClassifier
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import MinMaxScaler

from ..cohort import cohort
from ..evaluation.metrics import auc_by_class, classification_metrics
from ..evaluation.predictions import CLASSES, Predictions, write
from ..utils import tables
from .hog import read_hog

TREES, RATE = 1000, 0.01
"""Trees of both models, and learning rate of LGBM (section 5.1)."""

SEED = cohort.SPLIT["random_state"]
"""Of RF; the paper gives no other than that of its split. LGBM as it is set up here draws nothing at random."""

SHIPPED = "features-mtl"


def tree_models() -> dict[str, RandomForestClassifier | LGBMClassifier]:
    """RF and LGBM as the paper sets them up, untrained.

    What the paper leaves open is at the libraries' defaults. LightGBM tries which way of counting is the faster
    unless it is told, so that two runs could differ in the last digit.
    """
    return {
        "RF": RandomForestClassifier(n_estimators=TREES, random_state=SEED),
        "LGBM": LGBMClassifier(
            n_estimators=TREES,
            learning_rate=RATE,
            deterministic=True,
            force_col_wise=True,
            n_jobs=0,  # as many threads as OpenMP has, which OMP_NUM_THREADS says
            verbose=-1,
        ),
    }


def train_and_predict(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> dict[str, np.ndarray]:
    """What RF and LGBM say of the test rows in one task: probabilities (N, classes) by model.

    The features are scaled to 0..1 by their range in the training rows, which the paper leaves open. LGBM puts values
    into bins, which the scale moves a little: by the range of all rows its accuracy is 0.25, -1.25 and 0.75 points
    elsewhere (CT, NAT, severity), further from the paper's in every task, and knows something of the test rows.

    Parameters
    ----------
    train, test : ndarray of shape (N, features)
        Unscaled.
    labels : ndarray of int, shape (N,)
        Of the training rows.
    """
    scaler = MinMaxScaler().fit(train)
    train, test = scaler.transform(train), scaler.transform(test)
    return {name: model.fit(train, labels).predict_proba(test) for name, model in tree_models().items()}


def reduce(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """HOG features by PCA in the number of the lung features, fitted to the training rows (note to Table 9)."""
    components = min(len(FEATURE_NAMES), *train.shape)  # there are no more than rows
    pca = PCA(components, random_state=SEED).fit(train)
    return pca.transform(train), pca.transform(test)


def shipped(features: np.ndarray) -> dict[str, np.ndarray]:
    """What the shipped model says of cases with these unscaled features (N, 375): probabilities by task."""
    model = load_model(SHIPPED, "cpu")
    answers = [model.predict(dict(zip(FEATURE_NAMES, row, strict=True))) for row in features]
    return {task: np.array([answer[task] for answer in answers]) for task in CLASSES}


def baselines(whole: cohort.Cohort, out: Path, hog: Path | None = None) -> tuple[dict[str, Path], pd.DataFrame]:
    """Train RF and LGBM on the paper's training rows, and write what they and the shipped model reach.

    Parameters
    ----------
    whole : Cohort
    out : Path
        Folder, made if need be, for ``predictions_MODEL.csv``, ``table_3``, ``table_4``, ``table_8`` and, with
        HOG features, ``table_9``, and ``published_baselines``, tables as CSV and Markdown.
    hog : Path, optional
        Table of HOG features, as ``hog.py`` writes it.

    Returns
    -------
    dict, DataFrame
        The files of predictions on lung features by model; and published beside reproduced figures.

    Raises
    ------
    InputError
        If a class is missing from the training or test rows, or HOG features of a patient.
    """
    train, test = cohort.paper_split(whole)
    _check_classes(train, test)
    pids = test.patients.PID.to_numpy()
    hogs = None if hog is None else reduce(read_hog(hog, train.patients.PID.to_numpy()), read_hog(hog, pids))
    labels = dict(zip(CLASSES, test.labels.T, strict=True))
    trees = _trees(train.features, train.labels, test.features)
    network = shipped(test.features)
    results = {
        "table_3": measures({task: trees[task] for task in ("covid_ct", "covid_nat")}, labels),
        "table_4": measures({"severity": trees["severity"]}, labels),
        "table_8": measures({task: {"COVID-MTL on features": found} for task, found in network.items()}, labels),
    }
    if hogs is not None:
        results["table_9"] = measures(_trees(hogs[0], train.labels, hogs[1]), labels)
    compared = pd.concat([tables.compare(name, found) for name, found in results.items()], ignore_index=True)
    models = {name: {task: found[name] for task, found in trees.items()} for name in tree_models()}
    models[SHIPPED] = network
    with staged_folder(out) as folder:
        for name, answers in models.items():
            write(folder / f"predictions_{name}.csv", Predictions(pids, labels, answers))
        for name, found in results.items():
            tables.write(tables.of_measures(found), folder, name)
        tables.write(compared, folder, "published_baselines", digits=4)
    return {name: Path(out) / f"predictions_{name}.csv" for name in models}, compared


def measures(
    answers: Mapping[str, Mapping[str, np.ndarray]], labels: Mapping[str, np.ndarray]
) -> dict[str, dict[str, dict[str, float]]]:
    """The measures of the paper, and of more than two classes the AUC of each; by task, then by model.

    Of two classes the AUC of each is that of the other.

    Parameters
    ----------
    answers : mapping
        Probabilities (N, classes) by task, then by model.
    labels : mapping
        int of shape (N,) by task.
    """
    found = {}
    for task, models in answers.items():
        found[task] = {name: classification_metrics(labels[task], one) for name, one in models.items()}
        if len(CLASSES[task]) > 2:
            for name, one in models.items():
                by_class = zip(CLASSES[task], auc_by_class(labels[task], one), strict=True)
                found[task][name] |= {f"AUC, {of_class}": value for of_class, value in by_class}
    return found


def _trees(train, labels, test):
    """Probabilities by task, then by model."""
    return {task: train_and_predict(train, labels[:, i], test) for i, task in enumerate(CLASSES)}


def _check_classes(train, test):
    for part, of_part in (("training", train), ("test", test)):
        for (task, classes), known in zip(CLASSES.items(), of_part.labels.T, strict=True):
            rare = np.bincount(known, minlength=len(classes)) < 2
            if rare.any():
                which = f"{task} {classes[rare.argmax()]}"
                raise InputError(f"The {part} rows have fewer than two cases of {which}; give a larger cohort.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cohort", default=os.environ.get("COVIDMTL_COHORT"), help="folder of the cohort tables")
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and predictions")
    parser.add_argument("--hog", type=Path, help="HOG features of the cohort, as hog.py writes them, for Table 9")
    options = parser.parse_args()
    try:
        if options.cohort is None:
            raise InputError("No cohort is given; name its folder with --cohort or in COVIDMTL_COHORT.")
        _, compared = baselines(cohort.load(options.cohort), options.out, options.hog)
    except InputError as error:
        print(f"baselines: {error}", file=sys.stderr)
        return 2
    print(tables.markdown(compared, digits=4), end="")
    return 0
