"""A hospital that no model has seen: what each reaches there, in both directions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import yaml
from COVIDMTLLib.architectures.kernel_ridge import kernel_ridge_logits
from COVIDMTLLib.models.feature_scaling import scale
from scipy.special import expit, logit
from sklearn.preprocessing import MinMaxScaler

from ..cohort import cohort
from ..evaluation.metrics import expected_calibration_error
from ..evaluation.predictions import CLASSES
from ..evaluation.significance import delong
from ..tabular import train_features
from ..tabular.leave_one_hospital_out import Elsewhere
from ..tabular.train_transportable import TASKS, unseen
from ..tabular.transportable import SEVERE, columns_of, fit, two_classes
from .baselines import tree_models


def unseen_hospital(
    whole: cohort.Cohort, config: dict[str, Any], elsewhere: dict[str, Elsewhere], network: dict[str, Any] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What models reach in each hospital when they were trained on the other alone.

    Parameters
    ----------
    whole : Cohort
    config : dict
        As in ``transportable.yaml``.
    elsewhere : dict
        What `left_out.left_out` has of ``features`` and ``features+labs``.
    network : dict, optional
        As in ``features_mtl.yaml``, which is read by default.

    Returns
    -------
    DataFrame
        ``hospital``, ``model``, ``task``, ``cases``, ``auc`` with the ends of its 95 % interval, ``ece`` and, of models
        with prediction sets, ``covered``, the share of the cases of each class that have it in their set. Besides the
        paper's tasks ``severe``, severe or critically ill against the rest.
    DataFrame
        `train_transportable.unseen`: what was selected where.
    """
    if network is None:
        network = yaml.safe_load((train_features.HERE / "recipes" / "features_mtl.yaml").read_text(encoding="utf-8"))
    hospitals, rows = whole.described().Hospital.to_numpy(), []
    for hospital in sorted(set(hospitals)):
        here = hospitals == hospital
        others, inside = whole.rows(np.flatnonzero(~here)), whole.rows(np.flatnonzero(here))
        said = dict(elsewhere[hospital].probabilities) | _trees(others, inside)
        fitted, scaling = train_features.fit(others.features, others.labels, network["recipe"], network["seed"])
        said["features-mtl"] = train_features.predict(fitted, scaling, inside.features)
        for model, answers in said.items():
            limits = elsewhere[hospital].limits.get(model, [None] * len(CLASSES))
            for index, task in enumerate(CLASSES):
                rows.append((hospital, model, task, *_measures(inside.labels[:, index], answers[index], limits[index])))
            severe = answers[2][:, SEVERE]
            labels = (inside.labels[:, 2] == SEVERE).astype(int)
            rows.append((hospital, model, "severe", *_measures(labels, np.stack([1 - severe, severe], 1), None)))
        rows += [(hospital, "transportable", *one) for one in _transportable(others, inside, config["recipe"])]
    columns = ["hospital", "model", "task", "cases", "auc", "auc_low", "auc_high", "ece", "covered"]
    return pd.DataFrame(rows, columns=columns), unseen(whole, config)


def _trees(others, inside):
    """Probabilities of RF and LGBM by model, one array a task."""
    scaler = MinMaxScaler().fit(others.features)
    train, test = scaler.transform(others.features), scaler.transform(inside.features)
    return {
        name: [tree_models()[name].fit(train, labels).predict_proba(test) for labels in others.labels.T]
        for name in tree_models()
    }


def _transportable(others, inside, recipe):
    x, labels = columns_of(others, recipe["features"]), two_classes(others)
    scaling, weights = fit(x, labels, recipe)
    logits = kernel_ridge_logits(weights, scale(columns_of(inside, recipe["features"]), scaling))
    # As frequent as in the training, for the calibration; the model itself leaves that to the user.
    probabilities = expit(logits + logit(labels.mean(axis=0)))
    for index, task in enumerate(TASKS):
        one = probabilities[:, index]
        yield task["name"], *_measures(two_classes(inside)[:, index], np.stack([1 - one, one], axis=1), None)


def _measures(labels, probabilities, limits):
    found = delong(labels, [probabilities])
    covered = ""
    if limits is not None:
        inside = (probabilities >= np.array(limits)) | (probabilities == probabilities.max(axis=1, keepdims=True))
        covered = " / ".join(f"{inside[labels == one, one].mean():.2f}" for one in range(probabilities.shape[1]))
    ece = expected_calibration_error(labels, probabilities)
    return len(labels), float(found.values[0]), *map(float, found.intervals()[0]), ece, covered
