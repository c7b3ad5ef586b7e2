"""The networks on features and values of the patient: forests, what experts say together, and why."""

import numpy as np
import pytest
import torch
from covidmtl_training.tabular.experts import _copy_trees, _sizes
from covidmtl_training.tabular.kernel_ridge import fit_kernel
from COVIDMTLLib.architectures.numpy_networks import Forest as NumpyForest
from COVIDMTLLib.architectures.numpy_networks import TabularNetwork as NumpyNetwork
from COVIDMTLLib.networks import TabularNetwork
from COVIDMTLLib.networks.experts.forest import Forest
from COVIDMTLLib.networks.experts.kernel_ridge import Kernel
from COVIDMTLLib.prediction.conformal import least_probabilities
from COVIDMTLLib.prediction.contributions import contributions
from scipy.special import log_softmax, logit
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.kernel_ridge import KernelRidge

GROUPS = [[0, 0, 0], [1, 0, 0], [1, 1, 1], [1, 1, 2]]
CLASSES = [2, 2, 3]
UNKNOWN = float("nan")


def arrays(module):
    """The weights of a module as the networks in NumPy take them."""
    return {name: tensor.numpy() for name, tensor in module.state_dict().items()}


def in_numpy(network):
    """A network of PyTorch in NumPy."""
    tasks = [{"classes": list(range(count))} for count in CLASSES]
    config = {"features": 3, "patient": 4, "groups": GROUPS, "tasks": tasks, "labs_forest": {}}
    return NumpyNetwork(config, arrays(network))


def stump(column, threshold, left, right, columns, unknown_left=True):
    """A forest of one tree with one split."""
    forest = Forest(columns, len(left), trees=1, nodes=3)
    forest.column[0], forest.threshold[0], forest.right[0] = column, threshold, 2
    forest.unknown_left[0] = unknown_left
    forest.value[:] = torch.tensor([np.mean([left, right], axis=0).tolist(), left, right])
    NumpyForest(arrays(forest), columns)
    return forest


def random_network(seed):
    """A network whose experts see features 0 and 1 and the first laboratory value only."""
    sizes = {"cases": 6, "width": 2}
    trees = {"trees": 1, "nodes": 3}
    network = TabularNetwork(3, 4, GROUPS, CLASSES, trees, sizes, {"members": 2}, trees, sizes).eval()
    generator = torch.Generator().manual_seed(seed)
    shares = torch.softmax(torch.randn(4, 4, generator=generator), 1)
    network.ct_forest = stump(1, 0.0, shares[0].tolist(), shares[1].tolist(), 5)
    network.labs_forest = stump(2, 10.0, shares[2].tolist(), shares[3].tolist(), 4)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, generator=generator)
    for kernel in (network.ct_kernel, network.labs_kernel):
        torch.nn.init.normal_(kernel.cases, generator=generator)
        torch.nn.init.normal_(kernel.dual, generator=generator)
    network.ct_kernel.projection[0, 0] = network.ct_kernel.projection[1, 1] = 1
    network.labs_kernel.projection[2, 0] = network.labs_kernel.projection[6, 1] = 1  # its value, and if it is unknown
    network.ct_perceptrons.weights[0].data[:, 2:] = 0
    return network


def test_forest_walks_by_threshold_and_unknown_values():
    forest = stump(1, 0.5, [0.9, 0.1], [0.2, 0.8], columns=2, unknown_left=False)
    x = torch.tensor([[7.0, 0.5], [7.0, 0.6], [7.0, UNKNOWN], [UNKNOWN, 0.4]])
    assert torch.allclose(forest(x)[:, 0], torch.tensor([0.9, 0.2, 0.2, 0.9]))
    same = NumpyForest(arrays(forest), 2)
    np.testing.assert_allclose([same(case)[0] for case in x.double().numpy()], [0.9, 0.2, 0.2, 0.9], atol=1e-6)
    base, parts = same.parts(x[1].double().numpy())
    np.testing.assert_allclose(base, [0.55, 0.45], atol=1e-6)
    np.testing.assert_allclose(parts, [[0.0, 0.0], [-0.35, 0.35]], atol=1e-6)


@pytest.mark.parametrize(
    ("buffer", "node", "value"),
    [("right", 0, 0), ("right", 0, 3), ("column", 0, 2), ("column", 2, 1), ("root", 0, 3), ("root", 0, -1)],
)
def test_forest_that_leads_nowhere_is_refused(buffer, node, value):
    forest = stump(1, 0.5, [0.9, 0.1], [0.2, 0.8], columns=2)
    getattr(forest, buffer)[node] = value
    with pytest.raises(ValueError, match="leads nowhere"):
        NumpyForest(arrays(forest), 2)


def test_forest_answers_as_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.2] = np.nan
    y = (np.nan_to_num(x[:, 0]) > 0) + (np.isnan(x[:, 1]) | (np.nan_to_num(x[:, 2]) > 0.5)).astype(int)
    trained = ExtraTreesClassifier(30, random_state=0).fit(x, y)
    forest = Forest(6, 3, **_sizes(trained))
    _copy_trees(trained, forest)
    same = NumpyForest(arrays(forest), 6)
    other = rng.normal(size=(200, 6)).astype(np.float32)
    other[rng.random(other.shape) < 0.3] = np.nan
    # Shares are stored in half precision.
    np.testing.assert_allclose(forest(torch.from_numpy(other)).numpy(), trained.predict_proba(other), atol=1e-3)
    base, parts = same.parts(other[0].astype(float))
    np.testing.assert_allclose(base + parts.sum(0), same(other[0].astype(float)), atol=1e-12)
    answers = forest(torch.from_numpy(other)).numpy()
    np.testing.assert_allclose([same(case) for case in other.astype(float)], answers, atol=1e-6)


def test_kernel_regression_is_that_of_scikit_learn_and_calibrated_without_the_case():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 3)).astype(np.float32)
    groups = np.digitize(x[:, 0] + 0.7 * rng.normal(size=80), [-0.5, 0.5])
    kernel = Kernel(3, 3, 80, 6, indicators=True)
    kernel.load_state_dict(fit_kernel(x, groups, {"gamma": 0.1, "penalty": 0.7}))
    z = kernel.project(kernel.standardise(torch.from_numpy(x))).numpy()
    target = np.eye(3)[groups] - np.eye(3)[groups].mean(axis=0)
    reference = KernelRidge(alpha=0.7, kernel="rbf", gamma=0.1).fit(z, target)
    kernel.calibration.weight.data, kernel.calibration.bias.data = torch.eye(3), torch.zeros(3)
    answers = kernel(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(answers, reference.predict(z), atol=5e-3)  # cases are stored in half precision
    # On noise, a regression that knows its own cases by heart knows nothing of others, and says so.
    kernel.load_state_dict(fit_kernel(x, rng.integers(0, 3, 80), {"gamma": 3.0, "penalty": 0.01}))
    assert torch.softmax(kernel(torch.from_numpy(x)), 1).max() < 0.75


def test_without_laboratory_values_their_experts_are_not_asked():
    network = random_network(0)
    features, patient = torch.zeros(2, 3), torch.tensor([[50.0, 1.0, UNKNOWN, UNKNOWN], [50.0, 1.0, 20, 1]])
    apart = [network(features[i : i + 1], patient[i : i + 1]) for i in (0, 1)]
    together = [one.detach().clone() for one in network(features, patient)]
    network.labs_forest.value += 1
    network.with_labs.weight.data += 1
    changed = network(features, patient)
    for task in range(3):
        assert torch.allclose(together[task], torch.cat([apart[0][task], apart[1][task]]), atol=1e-6)
        assert torch.equal(changed[task][0], together[task][0])
        assert not torch.allclose(changed[task][1], together[task][1])
        assert torch.allclose(together[task].exp().sum(1), torch.ones(2))


@pytest.mark.parametrize("labs", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_contributions_sum_up_to_the_log_odds(seed, labs):
    network = random_network(seed)
    features = torch.tensor([0.5, 1.5, -2.0])
    patient = torch.tensor([60.0, 0.0, 20.0 if labs else UNKNOWN, UNKNOWN])
    same, features, patient = in_numpy(network), features.numpy(), patient.numpy()
    found = contributions(same, features, patient)
    combination, asked = same.experts(features, patient)
    assert len(asked) == (5 if labs else 3)
    base = [(expert, expert.parts(x)[0]) for expert, x in asked]
    for task, answer in enumerate(same(features, patient)):
        lead = answer.argmax()
        average = log_softmax(combination.scores(task, [same.said(task, *one)[1] for one in base]))
        change = logit(np.exp(answer[lead])) - logit(np.exp(average[lead]))
        assert found[task].sum() == pytest.approx(change, abs=1e-3)
        # No expert looks at feature 2, age, sex or the second laboratory value.
        assert not found[task][[2, 3, 4, 6]].any()
        assert found[task][[0, 1]].all()
        assert (found[task][5] != 0) == labs


def test_prediction_sets_cover_new_cases_of_each_class():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([3, 1, 1], 40000)
    # Labels that are other than the probabilities say: coverage must not depend on these being right.
    sharper = probabilities**3 / (probabilities**3).sum(axis=1, keepdims=True)
    labels = (rng.random((40000, 1)) > sharper.cumsum(axis=1)).sum(axis=1)
    covered = []
    for part in np.arange(40000).reshape(40, 1000):
        known, new = part[:500], part[500:]
        least = least_probabilities(probabilities[known], labels[known], 0.9)
        covered.append([np.mean(probabilities[new[labels[new] == c], c] >= least[c]) for c in range(3)])
    assert np.all(np.mean(covered, axis=0) > 0.9) and np.mean(np.array(covered) > 0.86) > 0.9
    assert least_probabilities(probabilities[:20], np.zeros(20, int), 0.9)[0] == 0  # too few to leave any out
