"""Training of the models features and features+labs: experts, and what they say together (see `TabularNetwork`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from COVIDMTLLib.models.feature_scaling import fit_scaling, scale
from COVIDMTLLib.models.release_checkpoint import TASKS
from COVIDMTLLib.networks import TabularNetwork, build_network
from COVIDMTLLib.patient.laboratory import LABORATORY
from COVIDMTLLib.utils.errors import InputError
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import RepeatedStratifiedKFold

from ..cohort.cohort import Cohort
from .kernel_ridge import fit_kernel
from .perceptrons import fit_perceptrons

FOLDS, REPEATS = 5, 2

FEWEST = 4
"""Training rows of a group; of fewer, a part of a cross-validation could be without any."""

PATIENT = ["age", "sex", *LABORATORY]
"""The patient's values in the order of the network."""

PANELS = [
    [PATIENT.index(one.name) for one in LABORATORY.values() if one.panel == panel]
    for panel in dict.fromkeys(one.panel for one in LABORATORY.values())
]


class Experts(NamedTuple):
    """Experts that are trained, and not yet combined.

    Attributes
    ----------
    config : dict
        Of the network, for `build_network`.
    network : TabularNetwork
    scaling : dict
        Of the features, for `scale`.
    """

    config: dict[str, Any]
    network: TabularNetwork
    scaling: dict[str, Any]

    def say(self, rows: Cohort) -> list[list[np.ndarray]]:
        """Log-probabilities (N, classes) of each task, of each expert."""
        features = torch.from_numpy(scale(rows.features, self.scaling)).float()
        with torch.inference_mode():
            said = self.network.experts(features, torch.from_numpy(patient_values(rows)).float())
        return [[one.double().numpy() for one in expert] for expert in said]


def patient_values(rows: Cohort) -> np.ndarray:
    """Age, sex and laboratory values (N, 2 + 81), NaN where unknown, as a user of the main job could give them.

    Values that the main job refuses as mistakes count as unknown. Prealbumin of one hospital is in mg/L.
    """
    patients = rows.described()
    values = [patients.Age.to_numpy(float), (patients.Gender == "Male").to_numpy(float)]
    for name, lab in LABORATORY.items():
        column = np.full(len(patients), np.nan) if rows.labs is None else rows.labs[name].to_numpy(float)
        if name == "PA":
            column = np.where(column > lab.highest, column / 1000, column)
        values.append(np.where((column >= lab.lowest) & (column <= lab.highest), column, np.nan))
    return np.stack(values, axis=1)


def fit_experts(rows: Cohort, recipe: dict[str, Any], seed: int) -> Experts:
    """Train the experts on some rows; see ``tabular.yaml`` for the recipe.

    Raises
    ------
    InputError
        If there are too few rows of a group, or age and sex are not known of everyone.
    """
    rng = np.random.default_rng(seed)
    groups, of_rows = np.unique(rows.labels, axis=0, return_inverse=True)
    if np.bincount(of_rows).min() < FEWEST:
        labels = ", ".join(map(str, groups[np.bincount(of_rows).argmin()]))
        raise InputError(
            f"Fewer than {FEWEST} patients of a part of the cohort have the labels {labels} (CT, nucleic acid test, "
            "severity), which is too few to train on; give a larger cohort, or one without them."
        )
    scaling = fit_scaling(rows.features, recipe["clip"], gain=1.0)
    # In the precision in which the network will see them.
    features = scale(rows.features, scaling).astype(np.float32)
    patient = patient_values(rows).astype(np.float32)
    shown = patient[:, :2].copy()
    shown[rng.random(shown.shape) < recipe["hidden"]] = np.nan
    seen = np.c_[features, patient[:, :2]]
    twice = np.concatenate([seen, np.c_[features, shown]])
    ct_forest = _forest(recipe["ct_forest"], seed).fit(twice, np.tile(of_rows, 2))
    ct_kernel = fit_kernel(seen, of_rows, recipe["ct_kernel"], recipe["projections"])
    ct_perceptrons = fit_perceptrons(seen, of_rows, groups, recipe["ct_perceptrons"], seed)
    copies = [_hide_labs(patient, recipe, rng) for _ in range(recipe["copies"])]
    labs_forest = _forest(recipe["labs_forest"], seed).fit(np.concatenate(copies), np.tile(of_rows, len(copies)))
    labs_kernel = fit_kernel(copies[0], of_rows, recipe["labs_kernel"])
    config = {
        "architecture": "tabular",
        "tasks": TASKS,
        "features": features.shape[1],
        "patient": patient.shape[1],
        "groups": groups.tolist(),
        "ct_forest": _sizes(ct_forest),
        "ct_kernel": _kernel_sizes(ct_kernel),
        "ct_perceptrons": {"members": recipe["ct_perceptrons"]["members"]},
        "labs_forest": _sizes(labs_forest),
        "labs_kernel": _kernel_sizes(labs_kernel),
    }
    network = build_network(config).eval()
    _copy_trees(ct_forest, network.ct_forest)
    _copy_trees(labs_forest, network.labs_forest)
    network.ct_kernel.load_state_dict(ct_kernel)
    network.ct_perceptrons.load_state_dict(ct_perceptrons)
    network.labs_kernel.load_state_dict(labs_kernel)
    return Experts(config, network, scaling)


def out_of_fold(rows: Cohort, recipe: dict[str, Any], seed: int) -> Iterator[tuple[np.ndarray, list[list[np.ndarray]]]]:
    """Repeated cross-validation, stratified by group: held-out rows, and what experts trained on the others say."""
    strata = np.unique(rows.labels, axis=0, return_inverse=True)[1]
    folds = RepeatedStratifiedKFold(n_splits=FOLDS, n_repeats=REPEATS, random_state=seed)
    for train, held_out in folds.split(strata, strata):
        yield held_out, fit_experts(rows.rows(train), recipe, seed).say(rows.rows(held_out))


def fit_combination(said: Sequence[np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the experts and biases of the classes in one task that make what held-out rows are most probable.

    Weights are not negative: an expert that would have to be contradicted is left out.

    Parameters
    ----------
    said : sequence of ndarray of shape (N, classes)
        Log-probabilities that each expert gives to rows it was not trained on.
    labels : ndarray of int, shape (N,)
    """
    said = np.array(said)
    experts, _, classes = said.shape

    def loss(parameters):
        answers = combine(said, parameters[:experts], parameters[experts:])
        return -answers[np.arange(len(labels)), labels].mean()

    start = np.r_[np.full(experts, 1 / experts), np.zeros(classes)]
    bounds = [(0, None)] * experts + [(None, None)] * classes
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    return found[:experts], found[experts:]


def combine(said: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Log-probabilities (N, classes) of one task, as `tabular.Combination` makes them."""
    return log_softmax(np.tensordot(weight, said, 1) + bias, axis=1)


def _forest(options, seed):
    return ExtraTreesClassifier(**options, n_jobs=1, random_state=seed)


def _hide_labs(patient, recipe, rng):
    hidden = rng.random(patient.shape) < recipe["hidden_value"]
    for panel in PANELS:
        hidden[np.ix_(rng.random(len(patient)) < recipe["hidden_panel"], panel)] = True
    hidden[:, :2] = rng.random((len(patient), 2)) < recipe["hidden_value"]
    return np.where(hidden, np.nan, patient).astype(np.float32)


def _kernel_sizes(state):
    return dict(zip(("cases", "width"), state["cases"].shape, strict=True))


def _sizes(forest):
    return {"trees": len(forest.estimators_), "nodes": sum(tree.tree_.node_count for tree in forest.estimators_)}


def _copy_trees(forest, network):
    """The trees of scikit-learn in the network, which holds them in the same depth-first order."""
    start = 0
    for number, estimator in enumerate(forest.estimators_):
        tree = estimator.tree_
        nodes = slice(start, start + tree.node_count)
        inner = tree.children_left >= 0
        # Inputs are float32 and thresholds are not: the largest float32 below decides as they do.
        threshold = tree.threshold.astype(np.float32)
        threshold = np.where(threshold > tree.threshold, np.nextafter(threshold, np.float32(-np.inf)), threshold)
        network.root[number] = start
        network.column[nodes] = torch.from_numpy(np.where(inner, tree.feature, -1).astype(np.int16))
        network.threshold[nodes] = torch.from_numpy(np.where(inner, threshold, 0).astype(np.float32))
        network.right[nodes] = torch.from_numpy(np.where(inner, tree.children_right + start, 0).astype(np.int32))
        network.unknown_left[nodes] = torch.from_numpy(inner & (tree.missing_go_to_left != 0))
        shares = tree.value[:, 0] / tree.value[:, 0].sum(axis=1, keepdims=True)
        # In half precision, as they are stored.
        network.value[nodes] = torch.from_numpy(shares).half().float()
        start += tree.node_count
