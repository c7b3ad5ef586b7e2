"""What several models say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..imaging.volume import Volume
from ..models import out_of_distribution
from ..models.model import Model
from .verdicts import aggregate, judge, verdict

RULE = "the mean probability of each class over the models that have the task with the same classes"


def combine(verdicts: Sequence[Mapping[str, Mapping[str, Any]]]) -> dict[str, Any]:
    """Aggregate the verdicts of several models (Table 10).

    A task that only one model has keeps that model's verdict, so that a network trained against radiology and one
    trained against nucleic acid tests, each alone, give both diagnoses and their aggregate, as the paper's
    single-task networks do.

    Parameters
    ----------
    verdicts : sequence of dict
        The ``tasks`` that `verdicts.judge` gives, of each model.

    Returns
    -------
    dict
        ``rule``, in words; ``tasks``: for each the title and the order of classes of the first model that has it,
        mean probabilities, their verdict, and ``models``, the numbers from 0 of those that it is the mean of;
        ``apart``: names of the tasks that models have with different classes, or with evidence in place of
        probabilities, about which only each of them can speak; ``aggregate``: see `verdicts.aggregate`, of the means.
    """
    tasks, apart = {}, []
    for name in dict.fromkeys(name for one in verdicts for name in one):
        models = [number for number, one in enumerate(verdicts) if name in one]
        first = verdicts[models[0]][name]
        if any("probabilities" not in verdicts[number][name] for number in models):
            if len(models) == 1:
                tasks[name] = dict(first) | {"models": models}
            else:
                apart.append(name)
            continue
        by_class = [
            dict(zip(verdicts[number][name]["classes"], verdicts[number][name]["probabilities"], strict=True))
            for number in models
        ]
        if any(one.keys() != by_class[0].keys() for one in by_class):
            apart.append(name)
            continue
        means = [float(np.mean([one[class_] for one in by_class])) for class_ in first["classes"]]
        holds_at = {"holds_at": first["holds_at"]} if "holds_at" in first else {}
        tasks[name] = verdict(first["title"], first["classes"], means) | holds_at | {"models": models}
    return {"rule": RULE, "tasks": tasks, "apart": apart, "aggregate": aggregate(tasks)}


def judge_all(
    models: Sequence[Model],
    features: Sequence[Mapping[str, float] | None],
    volumes: Sequence[Volume | None],
    patient: Mapping[str, float] | None = None,
    prior: float | None = None,
) -> dict[str, Any]:
    """Assess a case with one model or several.

    Parameters
    ----------
    models : sequence of Model
    features : sequence of mapping or None
        For each model the 375 features by name, on voxels of its spacing, if it takes them.
    volumes : sequence of Volume or None
        What each model takes of the CT, as `lung_crop.prepare` makes it.
    patient : mapping, optional
        What is known of the patient, as `patient.Patient.known` gives it.
    prior : float, optional
        As of `verdicts.judge`.

    Returns
    -------
    dict
        ``tasks`` and ``aggregate``, of the model or of all (see `combine`); ``regression``, if a model says values, of
        the first that says each; ``ensemble``: ``rule`` and ``apart`` of
        `combine`, or None for one model; ``models``: name, version, title, device, type of numbers, and what
        `verdicts.judge` says, of each.
    """
    cases = zip(features, models, volumes, strict=True)
    judged = [judge(of_model, model, volume, patient, prior) for of_model, model, volume in cases]
    each = [
        {key: model.card.get(key, "") for key in ("name", "version", "title")} | model.runner.used | one
        for model, one in zip(models, judged, strict=True)
    ]
    values = {name: one for of_model in reversed(judged) for name, one in of_model.get("regression", {}).items()}
    said = {"regression": values} if values else {}
    if len(each) == 1:
        found = {key: judged[0][key] for key in ("tasks", "aggregate")}
        return found | said | {"ensemble": None, "models": each}
    together = combine([one["tasks"] for one in judged])
    ensemble = {key: together[key] for key in ("rule", "apart")}
    found = {key: together[key] for key in ("tasks", "aggregate")}
    return found | said | {"ensemble": ensemble, "models": each}


def not_given(models: Sequence[Model], tasks: Mapping[str, Any]) -> list[dict[str, str]]:
    """Tasks that models say nothing of on purpose, with the reason, unless another model does."""
    found = {one["title"]: one for model in models for one in model.card.get("not_given", ())}
    said = {task["title"] for task in tasks.values()}
    return [one for title, one in found.items() if title not in said]


def unlike_training(judged: Sequence[Mapping[str, Any]]) -> list[str]:
    """Warnings of a CT unlike the training data of models that have judged it, each once."""
    ranges = (one["training_range"] for one in judged)
    return list(dict.fromkeys(text for one in ranges if one for text in out_of_distribution.warnings(one)))
