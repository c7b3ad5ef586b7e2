"""What in a case made a model on features and values of the patient say what it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import softmax

from ..architectures.config import AGE_AND_SEX, OF_CT, OF_LABS
from ..architectures.numpy_networks import LEAST, Smooth, TabularNetwork
from ..features.names import in_words
from ..models.model import Model
from ..patient.laboratory import LABORATORY

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
    assert isinstance(model.network, TabularNetwork)
    case = model.case(features, patient=patient)
    known = dict(features) | dict(patient or {})
    names = [*model.features, *model.patient_values]
    parts = (slice(0, len(model.features)), slice(len(model.features), len(model.features) + AGE_AND_SEX))
    labs = np.array([name in LABORATORY for name in names])
    measured = np.array([name in known for name in names])
    found = []
    for values in contributions(model.network, case["features"], case["patient"]):
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


def contributions(network: TabularNetwork, features: np.ndarray, patient: np.ndarray) -> list[np.ndarray]:
    """What each input contributes to the verdict of each task.

    Each expert's output is the sum of its parts, one for each input (`Forest.parts`, `Smooth.parts`). From the average
    case to this one, all outputs move along a straight line, and the log-odds of the leading class with them:
    integrated gradients (Sundararajan et al., 2017) share that change out among the outputs, and the parts share it
    out among the inputs.

    Parameters
    ----------
    network : TabularNetwork
    features : ndarray of shape (features,)
        Scaled.
    patient : ndarray of shape (patient,)
        NaN where unknown.

    Returns
    -------
    list of ndarray
        For each task float64 of shape (features + patient,): log-odds for the leading class. They sum up to the
        log-odds of this case less those of the average case.
    """
    combination, asked = network.experts(features, patient)
    parts = [expert.parts(x) for expert, x in asked]
    where, weights = np.polynomial.legendre.leggauss(POINTS)
    steps = (where[:, np.newaxis] + 1) / 2
    outputs = [base + steps * part.sum(axis=0) for base, part in parts]
    of_ct, of_labs = slice(0, len(features) + AGE_AND_SEX), slice(len(features), len(features) + len(patient))
    columns = [of_ct] * OF_CT + [of_labs] * OF_LABS
    found = []
    for task, answer in enumerate(network(features, patient)):
        said = [network.said(task, expert, output) for (expert, _x), output in zip(asked, outputs, strict=True)]
        others = combination.scores(task, [log_shares for _shares, log_shares in said])
        others[:, answer.argmax()] = -np.inf
        # The log-odds are the score of the leading class less the logarithm of the sum of the others.
        gradient = -softmax(others, axis=1)
        gradient[:, answer.argmax()] = 1
        of_inputs = np.zeros(len(features) + len(patient))
        for number, (shares, _log_shares) in enumerate(said):
            member = network.members[task]
            of_shares = combination.weight[task, number] * gradient / (shares @ member + LEAST) @ member.T
            if isinstance(asked[number][0], Smooth):
                of_shares = shares * (of_shares - np.sum(of_shares * shares, axis=1, keepdims=True))
            of_inputs[columns[number]] += parts[number][1] @ (weights / 2 @ of_shares)
        found.append(of_inputs)
    return found
