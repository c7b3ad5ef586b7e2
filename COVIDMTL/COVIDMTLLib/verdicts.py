"""From a case to verdicts: the tasks, their aggregate, and how usual the case is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from . import training_range
from .model_cards import takes_patient
from .models import Model
from .prediction_sets import prediction_sets
from .volume import Volume


def judge(
    features: Mapping[str, float] | None,
    model: Model,
    volume: Volume | None = None,
    patient: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Assess a case.

    Parameters
    ----------
    features : mapping
        The 375 features by name; None will do for a model that takes none.
    model : Model
    volume : Volume, optional
        As `lung_volume.prepare` makes it, for a model that takes it.
    patient : mapping, optional
        What is known of the patient, as `patient.Patient.known` gives it.

    Returns
    -------
    dict
        ``tasks``: title, classes, their probabilities (0 to 1) and the verdict of each task; of a model that can use
        what is known of the patient also ``prediction_set`` (see `prediction_sets`), ``contributions`` and
        ``contribution_sums`` (see `explanation.explain`);
        ``regression``, of a model that says values: title, unit and value of each; ``aggregate``: see `aggregate`;
        ``training_range``: see `training_range.compare`, or None for a model that
        takes no features.

    Raises
    ------
    InputError
        As `Model.predict` does.
    """
    probabilities = model.predict(features, volume, patient)
    tasks = {
        task["name"]: verdict(task["title"], task["classes"], probabilities[task["name"]].tolist())
        for task in model.card["tasks"]
    }
    for name, one in prediction_sets(model.card, probabilities, patient).items():
        tasks[name]["prediction_set"] = one
    if takes_patient(model.card):
        from .explanation import explain

        for one, why in zip(tasks.values(), explain(model, features, patient), strict=True):
            one |= why
    comparison = None
    if model.takes_features:
        comparison = training_range.compare(features, model.features, model.card["training_distribution"])
    found = {"tasks": tasks, "aggregate": aggregate(tasks), "training_range": comparison}
    if model.regression:
        found["regression"] = {
            one["name"]: {"title": one["title"], "unit": one["unit"], "value": float(probabilities[one["name"]][0])}
            for one in model.regression
        }
    return found


def verdict(title: str, classes: list[str], probabilities: list[float]) -> dict[str, Any]:
    """A task's ``title``, ``classes``, ``probabilities`` and the ``verdict``: the class of the largest."""
    return {
        "title": title,
        "classes": classes,
        "probabilities": probabilities,
        "verdict": classes[int(np.argmax(probabilities))],
    }


def aggregate(tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """The paper's aggregate of the two diagnoses: positive if either of them is (section 8).

    Whoever is positive by CT or by nucleic acid test is at risk of transmitting the virus. The
    probability is the larger of the two, so that it crosses 1/2 exactly when either does. None for
    a model without both tasks, or with other than two classes in them, the second of which is positive.
    """
    both = [tasks[name]["probabilities"] for name in ("covid_ct", "covid_nat") if name in tasks]
    if [len(probabilities) for probabilities in both] != [2, 2]:
        return None
    probability = max(positive for _, positive in both)
    return {
        "rule": "positive if either diagnosis is positive (Bao et al., section 8); the larger of the two probabilities",
        "probability": probability,
        "verdict": "positive" if probability > 0.5 else "negative",
    }
