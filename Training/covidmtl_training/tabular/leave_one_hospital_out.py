"""What is lost in a hospital that the training has not seen."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..cohort.cohort import Cohort
from ..evaluation.predictions import CLASSES
from ..evaluation.significance import delong
from .combination import EXPERTS, HeldOut, cross_fit, fit_all, held_out
from .experts import combine, fit_experts, patient_values


class Elsewhere(NamedTuple):
    """What models say of a hospital that was not in their training.

    Attributes
    ----------
    probabilities : dict
        By model, one array (N, classes) a task.
    limits : dict
        By model, for each task the least probability of each class in a prediction set.
    """

    probabilities: dict[str, list[np.ndarray]]
    limits: dict[str, list[list[float]]]


def left_out(
    whole: Cohort, found: HeldOut, recipe: dict[str, Any], seed: int
) -> tuple[pd.DataFrame, dict[str, Elsewhere]]:
    """AUC in each hospital of models trained on all hospitals, and on the others alone.

    Parameters
    ----------
    whole : Cohort
    found : HeldOut
        Cross-validation of all its rows: within it, the rows of a hospital are judged by models that have seen others
        of the same hospital.
    recipe : dict
        As in ``tabular.yaml``.
    seed : int

    Returns
    -------
    DataFrame, dict
        And by hospital what models say that have not seen it.
        ``hospital``, ``model``, ``task``, ``cases``; ``seen``, ``seen_low``, ``seen_high``: AUC and 95 % interval
        (DeLong, mean over repeats) of models that have seen the hospital; ``unseen``, ``unseen_low``,
        ``unseen_high``: of models that have not.
    """
    hospitals = whole.described().Hospital
    seen, rows, elsewhere = cross_fit(found), [], {}
    for hospital in sorted(hospitals.unique()):
        inside = (hospitals == hospital).to_numpy()
        here = whole.rows(np.flatnonzero(inside))
        elsewhere[hospital] = _trained_on(whole.rows(np.flatnonzero(~inside)), here, recipe, seed)
        unseen = elsewhere[hospital].probabilities
        for model, of_tasks in seen.items():
            for index, task in enumerate(CLASSES):
                labels = here.labels[:, index]
                known = np.mean([_auc(labels, one[inside]) for one in of_tasks[index]], axis=0)
                rows.append((hospital, model, task, len(labels), *known, *_auc(labels, unseen[model][index])))
    columns = [f"{name}{end}" for name in ("seen", "unseen") for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["hospital", "model", "task", "cases", *columns]), elsewhere


def _trained_on(others, here, recipe, seed):
    fitted = fit_all(held_out(others, recipe, seed), recipe["coverage"])
    said = fit_experts(others, recipe, seed).say(here)
    labs = ~np.isnan(patient_values(here)[:, 2:]).all(axis=1)[:, None]
    answers = {}
    for known, experts in EXPERTS.items():
        answers[known] = [
            np.exp(combine(np.array([expert[task] for expert in said[:experts]]), weight, bias))
            for task, (weight, bias, _) in enumerate(fitted[known])
        ]
    both = [np.where(labs, b, a) for a, b in zip(answers["without_labs"], answers["with_labs"], strict=True)]
    limits = {known: [least for _weight, _bias, least in fitted[known]] for known in EXPERTS}
    return Elsewhere(
        {"features": answers["without_labs"], "features+labs": both},
        {"features": limits["without_labs"], "features+labs": limits["with_labs"]},
    )


def _auc(labels, probabilities):
    found = delong(labels, [probabilities])
    return [found.values[0], *found.intervals()[0]]
