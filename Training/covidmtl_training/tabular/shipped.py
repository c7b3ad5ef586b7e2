"""What a stored model says of rows of the cohort, case by case, as it would say of a user's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.model import Model
from COVIDMTLLib.prediction.conformal import prediction_sets

from ..cohort.cohort import Cohort
from ..evaluation.predictions import CLASSES
from .experts import PATIENT, patient_values


class Answers(NamedTuple):
    """Answers by task.

    Attributes
    ----------
    probabilities : dict
        float64 of shape (N, classes).
    sets : dict
        Whether each class is in the prediction set, bool of shape (N, classes); empty for a model without such sets.
    """

    probabilities: dict[str, np.ndarray]
    sets: dict[str, np.ndarray]


def answers(model: Model, rows: Cohort, patient: np.ndarray | None = None) -> Answers:
    """What a model says of rows.

    Parameters
    ----------
    model : Model
    rows : Cohort
    patient : ndarray of shape (N, patient), optional
        In place of what `tabular.patient_values` gives.
    """
    patient = patient_values(rows) if patient is None and model.patient_values else patient
    said, sets = [], []
    for index, row in enumerate(rows.features):
        known = {}
        if model.patient_values:
            known = {name: value for name, value in zip(PATIENT, patient[index], strict=True) if not np.isnan(value)}
        said.append(model.predict(dict(zip(FEATURE_NAMES, row, strict=True)), patient=known))
        sets.append(prediction_sets(model.card, said[-1], known))
    in_sets = {}
    if sets[0]:
        in_sets = {
            task: np.array([[one in row[task]["classes"] for one in classes] for row in sets])
            for task, classes in CLASSES.items()
        }
    return Answers({task: np.array([one[task] for one in said]) for task in CLASSES}, in_sets)
