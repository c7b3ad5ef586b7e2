"""From a case to verdicts: the tasks, their aggregate, and how usual the case is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..imaging.volume import Volume
from ..models import out_of_distribution
from ..models.card import takes_patient
from ..models.store import Model
from . import likelihood_ratio
from .conformal import prediction_sets


def judge(
    features: Mapping[str, float] | None,
    model: Model,
    volume: Volume | None = None,
    patient: Mapping[str, float] | None = None,
    prior: float | None = None,
) -> dict[str, Any]:
    """Assess a case.

    Parameters
    ----------
    features : mapping
        The 375 features by name; None will do for a model that takes none.
    model : Model
    volume : Volume, optional
        As `lung_crop.prepare` makes it, for a model that takes it.
    patient : mapping, optional
        What is known of the patient, as `patient.Patient.known` gives it.
    prior : float, optional
        Probability of COVID-19 before the CT, 0 to 1, for a model whose results are likelihood ratios.

    Returns
    -------
    dict
        ``tasks``: title, classes, their probabilities (0 to 1) and the verdict of each task, and ``holds_at``, where
        that holds if not everywhere; of a model that is calibrated for the user's site also ``prediction_set`` (see
        `prediction_sets`); of one that can use what is known of the patient also ``contributions`` and
        ``contribution_sums`` (see `contributions.explain`). Of a model for sites that it has not seen, in place of
        probabilities ``evidence``, see `likelihood_ratio.weigh`, and ``measures``, each with ``name``, ``title``,
        ``value``, ``unit`` and ``evidence``; the verdict is what the evidence and all measures say, or that they say
        nothing. ``regression``, of a model that says values: title, unit and value of each; ``aggregate``: see
        `aggregate`; ``training_range``: see `out_of_distribution.compare`, or None for a model that takes no features.

    Raises
    ------
    InputError
        As `Model.predict` does.
    """
    probabilities = model.predict(features, volume, patient)
    given = features or {}
    tasks = {
        task["name"]: verdict(task["title"], task["classes"], probabilities[task["name"]].tolist())
        for task in model.card["tasks"]
    }
    for name, one in tasks.items():
        if "evidence" in model.card:
            tasks[name] = _weighed(name, one, model.card, given, prior)
        elif "trained_at" in model.card:
            one["holds_at"] = model.card["trained_at"]
    if "site" in model.card:  # a set holds where it was made, and nowhere else
        for name, one in prediction_sets(model.card, probabilities, patient).items():
            tasks[name]["prediction_set"] = one
    if takes_patient(model.card):
        from .contributions import explain

        for one, why in zip(tasks.values(), explain(model, given, patient), strict=True):
            one |= why
    comparison = None
    if model.takes_features:
        comparison = out_of_distribution.compare(given, model.features, model.card["training_distribution"])
    found = {"tasks": tasks, "aggregate": aggregate(tasks), "training_range": comparison}
    if model.regression:
        found["regression"] = {
            one["name"]: {"title": one["title"], "unit": one["unit"], "value": float(probabilities[one["name"]][0])}
            for one in model.regression
        }
    return found


def _weighed(
    name: str,
    found: Mapping[str, Any],
    card: Mapping[str, Any],
    features: Mapping[str, float],
    prior: float | None,
) -> dict[str, Any]:
    """A task of a model that gives evidence instead of probabilities."""
    prior = prior if name == likelihood_ratio.OF_PRIOR else None
    _, positive = np.clip(found["probabilities"], 1e-9, 1)
    positive = min(positive, 1 - 1e-9)
    weighed = likelihood_ratio.weigh(float(np.log(positive / (1 - positive))), card["evidence"][name], prior)
    measures = [
        {
            "name": one["name"],
            "title": one["title"],
            "unit": one["unit"],
            "value": features[one["name"]] + one["offset"],
        }
        | {"evidence": likelihood_ratio.weigh(features[one["name"]], one["evidence"])}
        for one in card.get("measures", {}).get(name, ())
    ]
    # Where the model and a plain measure disagree, nobody knows which of them is right.
    says = {weighed["says"], *(one["evidence"]["says"] for one in measures)}
    said = says.pop() if len(says) == 1 else likelihood_ratio.NOTHING
    task = {"title": found["title"], "classes": found["classes"], "verdict": said, "evidence": weighed}
    return task | ({"measures": measures} if measures else {})


def in_words(task: Mapping[str, Any]) -> str:
    """The verdict of a task as people are to read it: with where it holds, if not everywhere."""
    return f"{task['verdict']}, as {task['holds_at']} would have it" if "holds_at" in task else task["verdict"]


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
    both = [tasks[name].get("probabilities", []) for name in ("covid_ct", "covid_nat") if name in tasks]
    if [len(probabilities) for probabilities in both] != [2, 2]:
        return None
    probability = max(positive for _, positive in both)
    return {
        "rule": "positive if either diagnosis is positive (Bao et al., section 8); the larger of the two probabilities",
        "probability": probability,
        "verdict": "positive" if probability > 0.5 else "negative",
    } | {key: value for key, value in tasks["covid_ct"].items() if key == "holds_at"}
