"""Multitask losses: the weights they draw, labels that are missing, and that each learns."""

import numpy as np
import pytest
import torch
from benchmarks.loss_curves import learn
from COVIDMTLLib.networks.losses import (
    LOSSES,
    MISSING,
    RandomWeightedLoss,
    TwoTaskRandomLoss,
    UncertaintyLoss,
    make_loss,
)
from COVIDMTLLib.utils.errors import InputError
from torch.nn.functional import cross_entropy


def batch(tasks=2):
    """Logits and labels of five cases."""
    torch.manual_seed(1)
    logits = [torch.randn(5, 2 + task, requires_grad=True) for task in range(tasks)]
    return logits, torch.stack([torch.randint(2 + task, (5,)) for task in range(tasks)], dim=1)


@pytest.mark.parametrize(("tasks", "draws", "alpha"), [(3, 1, 1.0), (3, 2, 1.0), (3, 8, 1.0), (5, 2, 1.0), (3, 2, 4.0)])
def test_random_weights_are_means_of_dirichlet_draws(tasks, draws, alpha):
    loss = RandomWeightedLoss(tasks, draws, alpha, seed=1)
    weights = np.array([loss.weights().numpy() for _ in range(20_000)])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / tasks, atol=0.005)
    of_one_draw = (tasks - 1) / tasks**2 / (tasks * alpha + 1)
    np.testing.assert_allclose(weights.var(axis=0), of_one_draw / draws, rtol=0.05)


def test_two_task_weights_are_one_uniform_number_and_the_rest():
    loss = TwoTaskRandomLoss(seed=1)
    weights = np.array([loss.weights().numpy() for _ in range(20_000)])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    counts, _ = np.histogram(weights[:, 0], 10, range=(0, 1))
    np.testing.assert_allclose(counts, 2000, rtol=0.1)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_weighs_the_cross_entropies_and_is_their_mean_in_evaluation(name):
    logits, labels = batch()
    each = torch.stack([cross_entropy(one, labels[:, task]) for task, one in enumerate(logits)])
    loss = make_loss(name, 2)
    if name == "uncertainty":
        loss.log_variances.data = torch.tensor([0.5, -1.0])
        expected = each[0] * np.exp(-0.5) + each[1] * np.exp(1.0) + 0.25 - 0.5
    else:
        expected = each @ make_loss(name, 2).weights().float()
    torch.testing.assert_close(loss(logits, labels), expected)
    torch.testing.assert_close(loss.eval()(logits, labels), each.mean())


@pytest.mark.parametrize("name", LOSSES)
def test_cases_without_a_label_are_left_out_of_their_task(name):
    logits, labels = batch()
    labels[1:3, 0] = MISSING
    loss = make_loss(name, 2)(logits, labels)
    kept = [0, 3, 4]
    each = torch.stack([cross_entropy(logits[0][kept], labels[kept, 0]), cross_entropy(logits[1], labels[:, 1])])
    weights = torch.ones(2) if name == "uncertainty" else make_loss(name, 2).weights().float()
    torch.testing.assert_close(loss, each @ weights)
    loss.backward()
    assert not logits[0].grad[1:3].any() and logits[0].grad[kept].any()


@pytest.mark.parametrize("name", LOSSES)
def test_task_without_any_label_adds_nothing(name):
    logits, labels = batch()
    labels[:, 0] = MISSING
    loss = make_loss(name, 2)
    if name == "uncertainty":
        loss.log_variances.data[0] = 3.0
    value = loss(logits, labels)
    weight = 1.0 if name == "uncertainty" else float(make_loss(name, 2).weights()[1])
    torch.testing.assert_close(value, weight * cross_entropy(logits[1], labels[:, 1]))
    value.backward()
    assert not logits[0].grad.any() and logits[1].grad.any()
    assert all(parameter.grad[0] == 0 for parameter in loss.parameters())


@pytest.mark.parametrize("name", LOSSES)
def test_what_parts_of_a_batch_add_is_the_loss_of_the_batch(name):
    """Each with its share of the labels, also where those of a task are in one part alone."""
    logits, labels = batch()
    labels[[1, 3, 4], 0] = MISSING
    make_loss(name, 2)(logits, labels).backward()
    expected = [one.grad.clone() for one in logits]
    for one in logits:
        one.grad = None
    whole = (labels != MISSING).sum(0)
    for part in ([0, 1, 2], [3, 4]):
        shares = (labels[part] != MISSING).sum(0) / whole
        make_loss(name, 2)([one[part] for one in logits], labels[part], shares).backward()
    for one, gradient in zip(logits, expected, strict=True):
        torch.testing.assert_close(one.grad, gradient)


@pytest.mark.parametrize("name", LOSSES)
def test_scaled_loss_does_not_overflow_in_half_precision(name):
    logits, labels = batch()
    with torch.autocast("cpu", torch.float16):
        value = make_loss(name, 2)(logits, labels)
    (value * 65536).backward()
    assert value.dtype == torch.float32 and all(torch.isfinite(one.grad).all() for one in logits)


def test_uncertainty_finds_the_variance_of_each_task():
    """At its minimum the loss has variances of twice the cross-entropies."""
    logits, labels = batch(3)
    loss = UncertaintyLoss(3)
    optimiser = torch.optim.SGD(loss.parameters(), 0.5)
    for _ in range(300):
        optimiser.zero_grad()
        loss([one.detach() for one in logits], labels).backward()
        optimiser.step()
    each = torch.stack([cross_entropy(one, labels[:, task]) for task, one in enumerate(logits)])
    torch.testing.assert_close(loss.log_variances.exp(), 2 * each)


@pytest.mark.parametrize("name", LOSSES)
def test_loss_learns_an_easy_and_a_hard_task(name):
    entropies, accuracies = learn(name, seed=0, rounds=25)
    assert (abs(entropies[0, 1] - np.log(2)) < 0.02).all()
    assert (accuracies[-1] > [0.9, 0.8]).all()


@pytest.mark.parametrize("name", ["random-weighted", "two-task"])
def test_same_seed_draws_the_same_weights(name):
    one, other, third = make_loss(name, 2, seed=4), make_loss(name, 2, seed=4), make_loss(name, 2, seed=5)
    drawn = [torch.stack([loss.weights() for _ in range(5)]) for loss in (one, other, third)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(
    ("arguments", "options", "sentence"),
    [
        (("focal", 3), {}, "no loss focal; choose one of random-weighted, two-task, uncertainty, mean."),
        (("mean", 3), {"draws": 2}, "The loss mean has no option draws; it has no options."),
        (("random-weighted", 3), {"n": 2}, "has no option n; it has alpha, draws, seed."),
        (("random-weighted", 3), {"draws": 0}, "0 draws with alpha 1.0 give no weights"),
        (("two-task", 3), {}, "The loss two-task is for 2 tasks, not 3; use random-weighted."),
        (("mean", 0), {}, "0 tasks"),
    ],
)
def test_impossible_losses_are_refused(arguments, options, sentence):
    with pytest.raises(InputError, match=sentence):
        make_loss(*arguments, **options)
