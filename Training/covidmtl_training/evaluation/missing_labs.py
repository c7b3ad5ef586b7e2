"""How much it gives away which laboratory values were taken, whatever they were.

Who was tested for what was decided by those who had seen the patient, and most often the CT. A model that is
given laboratory values can learn that habit of two hospitals in place of the disease.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from COVIDMTLLib.utils.errors import InputError
from lightgbm import LGBMClassifier
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score

from ..cohort.cohort import TARGETS, Cohort
from .metrics import auc
from .significance import delong

FOLDS, REPEATS, SEED = 5, 2, 0

MODEL = {"n_estimators": 100, "learning_rate": 0.06, "num_leaves": 7, "colsample_bytree": 0.3}
"""LightGBM with small trees; in cross-validation ahead of logistic regression on these inputs."""


def missing_labs(train: Cohort, test: Cohort) -> pd.DataFrame:
    """AUC of models that know only which laboratory values are missing; with age and sex; and of these alone.

    Returns
    -------
    DataFrame
        ``inputs``, ``task``, ``cv_auc`` and ``cv_sd`` (over the folds of repeated stratified cross-validation on
        the training rows), ``test_auc``, ``test_auc_low``, ``test_auc_high`` (95 %, DeLong).

    Raises
    ------
    InputError
        If there are no laboratory values, age and sex are not known of everyone, or a class has fewer rows than
        there are folds.
    """
    if train.labs is None:
        raise InputError("The cohort has no laboratory values, whose missing ones could give anything away.")
    known, unseen, rows = _inputs(train), _inputs(test), []
    for name in known:
        for index, task in enumerate(TARGETS):
            labels = train.labels[:, index]
            if np.bincount(labels).min() < FOLDS:
                raise InputError(f"A class of {task} has fewer than {FOLDS} training rows; give a larger cohort.")
            folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=SEED)
            scores = cross_val_score(_model(), known[name], labels, cv=folds, scoring=_score)
            answers = _model().fit(known[name], labels).predict_proba(unseen[name])
            found = delong(test.labels[:, index], [answers])
            low, high = found.intervals()[0]
            rows.append((name, task, scores.mean(), scores.std(), found.values[0], low, high))
    columns = ["inputs", "task", "cv_auc", "cv_sd", "test_auc", "test_auc_low", "test_auc_high"]
    return pd.DataFrame(rows, columns=columns)


def _inputs(rows):
    """Arrays (N, columns) by name."""
    patients = rows.described()
    missing = rows.labs.isna().to_numpy(float)
    demographics = np.column_stack([patients.Age, patients.Gender == "Male"]).astype(float)
    return {
        "missing values": missing,
        "missing values, age, sex": np.hstack([missing, demographics]),
        "age, sex": demographics,
    }


def _model():
    return LGBMClassifier(**MODEL, random_state=SEED, deterministic=True, force_col_wise=True, n_jobs=1, verbose=-1)


def _score(model, inputs, labels):
    return auc(labels, model.predict_proba(inputs))
