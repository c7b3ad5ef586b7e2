"""The features of `transportable` from the cohort's tables, and the choice of features within one hospital alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from COVIDMTLLib.architectures.kernel_ridge import fit_kernel_ridge, kernel_ridge_logits
from COVIDMTLLib.features.names import FEATURE_NAMES, FIRST_ORDER, values_of
from COVIDMTLLib.models.feature_scaling import fit_scaling, scale
from scipy.stats import rankdata
from sklearn.cluster import KMeans

from ..cohort.cohort import Cohort

SEVERE = 2
"""The class of severity that is severe or critically ill."""

OF_IMAGE = 71
"""Features of the image itself, which are the first of all."""


def columns_of(rows: Cohort, names: Sequence[str]) -> np.ndarray:
    """Unscaled features (N, names) of rows."""
    return values_of(dict(zip(FEATURE_NAMES, rows.features.T, strict=True)), names).T


def two_classes(rows: Cohort) -> np.ndarray:
    """Labels (N, 2): COVID-19 by CT, and severe against the rest."""
    return np.stack([rows.labels[:, 0], rows.labels[:, 2] == SEVERE], axis=1).astype(int)


def fit(x: np.ndarray, labels: np.ndarray, recipe: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Scaling and weights of a regression on unscaled features (N, columns)."""
    scaling = fit_scaling(x, recipe["clip"], gain=1.0)
    return scaling, fit_kernel_ridge(scale(x, scaling), labels, recipe["gamma"], recipe["penalty"])


def trained_elsewhere(whole: Cohort, recipe: dict[str, Any]) -> np.ndarray:
    """Logits (N, tasks) of each case by the regression that was fitted to the other hospitals alone."""
    hospitals, x, labels = whole.described().Hospital, columns_of(whole, recipe["features"]), two_classes(whole)
    said = np.empty(labels.shape)
    for hospital in hospitals.unique():
        here = (hospitals == hospital).to_numpy()
        scaling, weights = fit(x[~here], labels[~here], recipe)
        said[here] = kernel_ridge_logits(weights, scale(x[here], scaling))
    return said


def choose(rows: Cohort, options: dict[str, Any], clip: float, seed: int) -> tuple[dict[str, Any], float]:
    """The recipe that the rule of ``transportable.yaml`` chooses within rows, and the AUC that it is chosen by."""
    labels = two_classes(rows)
    noise = columns_of(rows, [name for name in FEATURE_NAMES if name.startswith("HHH")])
    z = scale(noise, fit_scaling(noise, clip, 1.0))
    clusters = KMeans(options["clusters"], n_init=10, random_state=seed).fit_predict(z)
    best: tuple[dict[str, Any], float] = ({}, -np.inf)
    for group, keep in product(options["groups"], options["keep"]):
        names = _names(group)
        if keep is not None and keep >= len(names):
            continue
        x = columns_of(rows, names)
        kept = [_steady(x, labels, clusters, left, keep) for left in range(options["clusters"])]
        for gamma, penalty in product(options["gamma"], options["penalty"]):
            said = np.empty(labels.shape)
            for left, columns in enumerate(kept):
                out = clusters == left
                recipe = {"clip": clip, "gamma": gamma * 19 / len(columns), "penalty": penalty}
                scaling, weights = fit(x[~out][:, columns], labels[~out], recipe)
                said[out] = kernel_ridge_logits(weights, scale(x[out][:, columns], scaling))
            score = float(np.mean([_auc_within(labels[:, task], said[:, task], clusters) for task in range(2)]))
            if score > best[1]:
                columns = _steady(x, labels, clusters, None, keep)
                features = [names[index] for index in columns]
                chosen = {"features": features, "clip": clip, "gamma": gamma * 19 / len(columns), "penalty": penalty}
                best = chosen | {"group": group}, score
    return best


def _names(group: str) -> list[str]:
    return {
        "first order": list(FIRST_ORDER),
        "image": list(FEATURE_NAMES[:OF_IMAGE]),
        "image and LLL": [*FEATURE_NAMES[:OF_IMAGE], *(name for name in FEATURE_NAMES if name.startswith("LLL"))],
        "all": list(FEATURE_NAMES),
    }[group]


def _steady(x, labels, clusters, left, keep):
    """The columns with the best single AUC in the worst of the clusters but one, mean of both tasks."""
    if keep is None:
        return np.arange(x.shape[1])
    worst = np.full(x.shape[1], np.inf)
    for cluster in set(clusters) - {left}:
        inside = clusters == cluster
        strength = np.mean([_auc_of_columns(x[inside], labels[inside, task]) for task in range(2)], axis=0)
        # Of one direction in all clusters, which is that in all of them together.
        worst = np.minimum(worst, strength)
    direction = np.mean([_auc_of_columns(x[clusters != left], labels[clusters != left, task]) for task in range(2)], 0)
    opposite = np.full(x.shape[1], np.inf)
    for cluster in set(clusters) - {left}:
        inside = clusters == cluster
        strength = np.mean([_auc_of_columns(-x[inside], labels[inside, task]) for task in range(2)], axis=0)
        opposite = np.minimum(opposite, strength)
    return np.argsort(-np.where(direction >= 0.5, worst, opposite), kind="stable")[:keep]


def _auc_of_columns(x, labels):
    """AUC of each column by its ranks; 1/2 where only one class is there."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return np.full(x.shape[1], 0.5)
    ranks = rankdata(x, axis=0)[labels == 1].sum(axis=0)
    return (ranks - positive * (positive + 1) / 2) / (positive * negative)


def _auc_within(labels, said, clusters):
    """AUC within clusters, weighted by n1 * n0 / (n1 + n0)."""
    aucs, weights = [], []
    for cluster in set(clusters):
        inside = clusters == cluster
        positive, cases = labels[inside].sum(), np.count_nonzero(inside)
        if 0 < positive < cases:
            aucs.append(_auc_of_columns(said[inside, np.newaxis], labels[inside])[0])
            weights.append(positive * (cases - positive) / cases)
    return np.average(aucs, weights=weights)
