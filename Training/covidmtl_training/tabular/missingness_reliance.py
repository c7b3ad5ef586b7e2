"""How far a model on laboratory values leans on which of them were measured, rather than on what they were."""

from __future__ import annotations

import numpy as np
import pandas as pd
from COVIDMTLLib.models.model import Model
from COVIDMTLLib.patient.laboratory import LABORATORY

from ..cohort.cohort import Cohort
from ..evaluation.predictions import CLASSES
from ..evaluation.significance import delong
from .experts import PATIENT, patient_values
from .shipped import answers

BLOOD_COUNT = ("HGB", "RBC", "PLT", "WBC", "NE", "LY", "MO")
"""A blood count that nearly everyone has, of whom most cases have all of it."""

SEED = 0


def lean(model: Model, train: Cohort, test: Cohort) -> pd.DataFrame:
    """AUC of a model that is told laboratory values, or only which of them were measured.

    With the values of others in place of a patient's own (each drawn from the training rows that have it), nothing is
    left of the values but the pattern of what was measured. With the same blood count of everyone in a part of the
    rows, nothing is left of the pattern.

    Returns
    -------
    DataFrame
        ``told``, ``task``, ``cases``, ``auc``, ``auc_low``, ``auc_high`` (95 %, DeLong).
    """
    patient = patient_values(test)
    lab = np.array([name in LABORATORY for name in PATIENT])
    nothing = np.where(lab, np.nan, patient)
    counted = np.isin(PATIENT, BLOOD_COUNT)
    same = ~np.isnan(patient[:, counted]).any(axis=1)
    everyone = np.ones(len(patient), bool)
    rows = []
    for told, given, inside in (
        ("no laboratory value", nothing, everyone),
        ("what was measured", patient, everyone),
        ("what was measured, with values of others", _of_others(patient, patient_values(train), lab), everyone),
        ("no laboratory value, of those with a blood count", nothing, same),
        ("the blood count alone, of those with one", np.where(lab & ~counted, np.nan, patient), same),
    ):
        part = test.rows(np.flatnonzero(inside))
        said = answers(model, part, given[inside]).probabilities
        for index, task in enumerate(CLASSES):
            found = delong(part.labels[:, index], [said[task]])
            rows.append((told, task, len(part.labels), found.values[0], *found.intervals()[0]))
    return pd.DataFrame(rows, columns=["told", "task", "cases", "auc", "auc_low", "auc_high"])


def _of_others(patient, of_training, lab):
    rng = np.random.default_rng(SEED)
    patient = patient.copy()
    for column in np.flatnonzero(lab):
        known, there = ~np.isnan(patient[:, column]), of_training[:, column]
        there = there[~np.isnan(there)]
        if known.any() and len(there):
            patient[known, column] = rng.choice(there, known.sum())
    return patient
