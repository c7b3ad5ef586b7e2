"""What in a case made a model on features and values of the patient say what it says."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .feature_names import in_words
from .laboratory import LABORATORY
from .model import Model
from .networks.tabular import AGE_AND_SEX, OF_CT, OF_LABS, TabularNetwork

LEADING = 8
"""Inputs that a result names for each task."""

POINTS = 32
"""Of the Gauss-Legendre rule; a path integral of these smooth functions is exact to many digits with fewer."""


def explain(model: Model, features: Mapping[str, float], patient: Mapping[str, float] | None) -> list[dict[str, Any]]:
    """The inputs that contributed most to the verdict of each task.

    Parameters
    ----------
    model : Model
        On a `TabularNetwork`.
    features : mapping
        Unscaled, by name.
    patient : mapping, optional
        What is known of the patient, as `patient.Patient.known` gives it.

    Returns
    -------
    list of dict
        For each task ``contributions``, the `LEADING` ones of known inputs, largest first: name, title, value, unit
        and ``contribution`` in log-odds for the verdict (see `contributions`); and ``contribution_sums``: of the CT
        features, of age and sex, of the laboratory values, and of the fact that others were not measured.
    """
    tensors = model.tensors(features, patient=patient)
    known = dict(features) | dict(patient or {})
    names = [*model.features, *model.patient_values]
    parts = (slice(0, len(model.features)), slice(len(model.features), len(model.features) + AGE_AND_SEX))
    labs = np.array([name in LABORATORY for name in names])
    measured = np.array([name in known for name in names])
    found = []
    for values in contributions(model.network, tensors["features"][0], tensors["patient"][0]):
        order = [index for index in np.argsort(-np.abs(values), kind="stable") if measured[index]][:LEADING]
        sums = {
            "ct_features": values[parts[0]].sum(),
            "age_and_sex": values[parts[1]].sum(),
            "laboratory_values": values[labs & measured].sum(),
            "not_measured": values[labs & ~measured].sum(),
        }
        found.append(
            {
                "contributions": [_named(names[index], known[names[index]], values[index]) for index in order],
                "contribution_sums": {name: float(value) for name, value in sums.items()},
            }
        )
    return found


def _named(name: str, value: float, contribution: float) -> dict[str, Any]:
    if name in LABORATORY:
        title, unit = LABORATORY[name].title, LABORATORY[name].unit
    elif name in ("age", "sex"):
        title, unit = name.capitalize(), "years" if name == "age" else ""
    else:
        title, unit = ", ".join(in_words(name)), ""
    return {"name": name, "title": title, "value": float(value), "unit": unit, "contribution": float(contribution)}


def contributions(network: TabularNetwork, features: torch.Tensor, patient: torch.Tensor) -> list[np.ndarray]:
    """What each input contributes to the verdict of each task.

    Each expert's output is the sum of its parts, one for each input (`Forest.parts`, `Smooth.parts`). From the average
    case to this one, all outputs move along a straight line, and the log-odds of the leading class with them:
    integrated gradients (Sundararajan et al., 2017) share that change out among the outputs, and the parts share it
    out among the inputs.

    Parameters
    ----------
    network : TabularNetwork
        In evaluation mode.
    features : tensor of shape (features,)
        Scaled.
    patient : tensor of shape (patient,)
        NaN where unknown.

    Returns
    -------
    list of ndarray
        For each task float64 of shape (features + patient,): log-odds for the leading class. They sum up to the
        log-odds of this case less those of the average case.
    """
    network = copy.deepcopy(network).cpu().double()
    features, patient = features.detach().cpu().double(), patient.detach().cpu().double()
    asked = bool(network.asks_labs(patient[None]))
    experts = network.expert_inputs(features[None], patient[None])[: OF_CT + OF_LABS * asked]
    combination = network.with_labs if asked else network.without_labs
    parts = [expert.parts(x[0]) for expert, x in experts]
    where, weights = np.polynomial.legendre.leggauss(POINTS)
    steps = torch.from_numpy((where + 1) / 2)[:, None]
    outputs = [(base + steps * part.sum(0)).detach().requires_grad_() for base, part in parts]
    answers = combination([network.of_tasks(expert, out) for (expert, _), out in zip(experts, outputs, strict=True)])
    leading = [one[0].argmax().item() for one in network(features[None], patient[None])]
    return [
        _of_task(answer, lead, outputs, parts, torch.from_numpy(weights / 2), len(features), len(patient))
        for answer, lead in zip(answers, leading, strict=True)
    ]


def _of_task(answer, lead, outputs, parts, weights, features, patient) -> np.ndarray:
    log_odds = answer[:, lead] - torch.logsumexp(answer[:, [c for c in range(answer.shape[1]) if c != lead]], 1)
    gradients = torch.autograd.grad(log_odds @ weights.to(answer.dtype), outputs, retain_graph=True)
    found = np.zeros(features + patient)
    of_ct, of_labs = slice(0, features + AGE_AND_SEX), slice(features, features + patient)
    columns = [of_ct] * OF_CT + [of_labs] * OF_LABS
    for column, gradient, (_, part) in zip(columns, gradients, parts, strict=False):
        found[column] += (part @ gradient.sum(0)).detach().numpy()
    return found
