"""Intervals and tests, each against an independent way to the same number."""

from itertools import product

import numpy as np
import pytest
from covidmtl_training.evaluation.metrics import expected_calibration_error, reliability
from covidmtl_training.evaluation.significance import counted_intervals, delong, holm, mcnemar_test
from COVIDMTLLib.utils.errors import InputError
from scipy.stats import binomtest, norm, rankdata
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score


def cases(rng, n, classes, effects):
    """Labels, and probabilities of models that share part of their errors; rounded, so that there are ties."""
    labels = rng.choice(classes, n, p=(np.array([0.4, 0.6]) if classes == 2 else [0.5, 0.3, 0.2]))
    shared = rng.standard_normal((n, classes))
    models = []
    for effect in effects:
        logits = effect * np.eye(classes)[labels] + shared + 0.7 * rng.standard_normal((n, classes))
        p = np.round(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 2)
        p[:, 0] = 1 - p[:, 1:].sum(axis=1)
        models.append(p)
    return labels, models


def test_delong_of_two_classes_is_what_the_double_loop_gives():
    labels, models = cases(np.random.default_rng(1), 60, 2, (1.0, 1.6))
    positive, negative = np.flatnonzero(labels == 1), np.flatnonzero(labels == 0)
    psi = np.zeros((2, len(positive), len(negative)))
    for (k, p), (i, x), (j, y) in product(enumerate(models), enumerate(positive), enumerate(negative)):
        psi[k, i, j] = 1.0 if p[x, 1] > p[y, 1] else 0.5 if p[x, 1] == p[y, 1] else 0.0
    covariance = np.cov(psi.mean(axis=2)) / len(positive) + np.cov(psi.mean(axis=1)) / len(negative)
    found = delong(labels, models)
    assert (psi == 0.5).any()
    np.testing.assert_allclose(found.values, psi.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-12)
    np.testing.assert_allclose(found.values, [roc_auc_score(labels, p[:, 1]) for p in models], rtol=1e-12)


def mann_whitney_macro(labels, p):
    """Mean one-vs-rest AUC of each row of a bootstrap, by rank sums."""
    found = []
    for c in range(3):
        positive = labels == c
        m = positive.sum(axis=1)
        sums = np.sum(rankdata(p[..., c], axis=1) * positive, axis=1)
        found.append((sums - m * (m + 1) / 2) / (m * (labels.shape[1] - m)))
    return np.mean(found, axis=0)


def test_macro_auc_and_its_covariance_agree_with_sklearn_and_a_bootstrap():
    rng = np.random.default_rng(2)
    labels, models = cases(rng, 400, 3, (0.8, 1.3))
    found = delong(labels, models)
    of_sklearn = [roc_auc_score(labels, p, multi_class="ovr") for p in models]
    np.testing.assert_allclose(found.values, of_sklearn, rtol=1e-12)
    draws = rng.integers(0, len(labels), (4000, len(labels)))
    again = np.stack([mann_whitney_macro(labels[draws], p[draws]) for p in models], axis=1)
    np.testing.assert_allclose(found.covariance, np.cov(again.T), rtol=0.08)
    np.testing.assert_allclose(found.intervals(), np.percentile(again, [2.5, 97.5], axis=0).T, atol=0.006)
    z = (found.values[1] - found.values[0]) / np.std(again[:, 1] - again[:, 0])
    assert 2 < z < 6  # so that the p-value says something of the covariance
    assert norm.isf(found.p_value(1, 0) / 2) == pytest.approx(z, rel=0.05)


def test_one_class_against_the_rest_is_a_task_of_two_classes():
    labels, (p, q) = cases(np.random.default_rng(3), 120, 3, (1.0, 1.5))
    found = delong(labels, [p, q], of_class=2)
    same = delong((labels == 2).astype(int), [np.stack([1 - one[:, 2], one[:, 2]], axis=1) for one in (p, q)])
    np.testing.assert_allclose(found.values, same.values)
    np.testing.assert_allclose(found.covariance, same.covariance)


def test_ends_of_the_scale():
    labels = np.repeat([0, 1], 20)
    perfect, opposite = np.eye(2)[labels], np.eye(2)[1 - labels]
    found = delong(labels, [perfect, opposite, perfect])
    assert found.values.tolist() == [1, 0, 1] and found.intervals().tolist() == [[1, 1], [0, 0], [1, 1]]
    assert found.p_value(0, 1) == 0 and found.p_value(0, 2) == 1
    with pytest.raises(InputError, match="two cases of a class"):
        delong(np.repeat([0, 1], [39, 1]), [perfect])


def test_mcnemar_is_binomial_and_holm_keeps_the_order():
    labels, (p, q) = cases(np.random.default_rng(4), 300, 3, (0.8, 1.3))
    first, second = p.argmax(axis=1) == labels, q.argmax(axis=1) == labels
    only = [int(np.sum(first & ~second)), int(np.sum(~first & second))]
    assert min(only) > 5
    assert mcnemar_test(labels, p, q) == pytest.approx(binomtest(only[0], sum(only)).pvalue)
    assert mcnemar_test(labels, p, p) == 1
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.5]), [0.04, 0.09, 0.09, 0.5])


def test_calibration_error_by_hand():
    """Ten cases: four at 0.65 of which one is right, and six at 0.95 that are all right."""
    confidence = np.repeat([0.65, 0.95], [4, 6])
    probabilities = np.stack([1 - confidence, confidence], axis=1)
    labels = np.array([1, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    points = reliability(labels, probabilities)
    np.testing.assert_allclose(points, [[0.65, 0.95], [0.25, 1.0], [4, 6]])
    assert expected_calibration_error(labels, probabilities) == pytest.approx(0.4 * 0.4 + 0.6 * 0.05)
    assert expected_calibration_error(np.array([1, 0]), np.array([[0.0, 1.0], [0.8, 0.2]])) == pytest.approx(0.1)


def test_intervals_of_counted_measures_are_those_of_drawing_rows():
    rng = np.random.default_rng(6)
    labels, (p,) = cases(rng, 250, 3, (0.8,))
    again = []
    for _ in range(1200):
        drawn = rng.integers(0, len(labels), len(labels))
        precision, recall, f1, _ = precision_recall_fscore_support(
            labels[drawn], p[drawn].argmax(axis=1), average="weighted", zero_division=0
        )
        again.append([precision, recall, f1, np.mean(p[drawn].argmax(axis=1) == labels[drawn])])
    np.testing.assert_allclose(counted_intervals(labels, p), np.percentile(again, [2.5, 97.5], axis=0).T, atol=0.01)
