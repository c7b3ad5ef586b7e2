"""The shipped model, devices, scaling, the training range, and what several models say together."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import covid_mtl
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.device import choose_device
from COVIDMTLLib.models.feature_scaling import make_scaling
from COVIDMTLLib.models.store import CARD, WEIGHTS, load_model, read_card, scale, shipped_models
from COVIDMTLLib.networks import FeaturesMTL
from COVIDMTLLib.networks.losses import RandomWeightedLoss
from COVIDMTLLib.prediction.ensemble import combine
from COVIDMTLLib.prediction.verdicts import aggregate, verdict
from COVIDMTLLib.utils.errors import InputError
from safetensors.torch import load_file
from support.models.small_models import saved


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(shipped_models()["features-mtl"], tmp_path / "model")


def edit(folder, **changes):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({k: v for k, v in (card | changes).items() if v is not None}))


def test_shipped_model_is_complete():
    model = load_model("features+labs")
    assert tuple(model.features) == FEATURE_NAMES
    assert [task["name"] for task in model.card["tasks"]] == ["covid_ct", "covid_nat", "severity"]
    for key in ("version", "license", "intended_use", "split", "metrics", "cross_validation", "provenance"):
        assert model.card[key]
    assert not [path for path in shipped_models()["features-mtl"].iterdir() if path.name not in {CARD, WEIGHTS}]
    median = np.array(model.card["training_distribution"]["values"])[:, 4]
    probabilities = model.predict(dict(zip(FEATURE_NAMES, median, strict=True)))
    assert [len(p) for p in probabilities.values()] == [2, 2, 3]
    for p in probabilities.values():
        assert p.sum() == pytest.approx(1) and (p > 0).all()


def test_card_of_the_first_format_means_what_it_did():
    """The shipped model, of before cards described a network, gives what its weights and scaling make."""
    model = load_model("features-mtl", "cpu")
    assert model.card["format_version"] == 1 and model.takes_features and not model.takes_volume
    network = FeaturesMTL(375, [2, 2, 3]).eval()
    network.load_state_dict(load_file(shipped_models()["features-mtl"] / WEIGHTS))
    lowest, width = (np.array(model.card["scaling"][key]) for key in ("minimum", "range"))
    for values in lowest + width * np.random.default_rng(0).normal(0.5, 0.5, (20, 375)):
        with torch.inference_mode():
            logits = network(torch.from_numpy((values - lowest)[None] / width).float())
        found = model.predict(dict(zip(FEATURE_NAMES, values, strict=True)))
        for one, expected in zip(found.values(), logits, strict=True):
            np.testing.assert_allclose(one, torch.softmax(expected[0].double(), 0), rtol=0, atol=1e-6)


def test_order_of_the_features_given_does_not_matter():
    model = load_model("features+labs")
    values = np.array(model.card["scaling"]["mean"]) * 1.1
    forward = dict(zip(FEATURE_NAMES, values, strict=True))
    backward = dict(reversed(forward.items()))
    for a, b in zip(model.predict(forward).values(), model.predict(backward).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_card_is_read_without_pytorch(folder):
    edit(folder, name="mine")
    script = "import sys; sys.modules['torch'] = None; from COVIDMTLLib.models.store import read_card; "
    script += f"print(read_card()['name'], read_card({str(folder)!r})['name'])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.split() == ["transportable", "mine"], run.stderr
    assert read_card(folder) == load_model(folder).card
    with pytest.raises(
        InputError, match="There is no model other; shipped are features, features\\+labs, features-mtl"
    ):
        read_card("other")


@pytest.fixture
def machine(monkeypatch):
    """A function that makes PyTorch see some GPUs of NVIDIA's, or that of a Mac."""

    def make(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


def test_devices_are_chosen_among_those_there_are(machine, monkeypatch):
    machine()
    assert choose_device().type == choose_device("cpu").type == "cpu"
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(InputError, match=rf"^This machine has no device {name} .*; choose cpu, or auto\.$"):
            choose_device(name)
    machine(mps=True)
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert choose_device().type == choose_device("mps").type == "mps"
    machine(cuda=2, mps=True)
    assert choose_device().type == choose_device("cuda").type == "cuda"
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(InputError, match="no device cuda:2"):
        choose_device("cuda:2")
    for name in ("gpu", "cuda:", "cpu:0", ""):
        with pytest.raises(InputError, match="choose one of auto, cpu, cuda, mps"):
            choose_device(name)


def test_network_on_volumes_goes_to_the_device_chosen(machine, monkeypatch, tmp_path):
    folder, _network = saved(tmp_path / "m", 5)
    machine(cuda=1)
    sent = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda network, *device, **kinds: sent.extend(device) or network)
    load_model(folder)
    load_model(folder, device="cpu")
    assert sent == [torch.device("cuda"), torch.device("cpu")]


def test_model_can_be_given_as_a_folder(folder, phantom, phantom_ct, tmp_path):
    edit(folder, name="mine", version="7")
    run = covid_mtl("assess", phantom_ct, "--out", tmp_path / "out", "--model", folder, "--refine", "none")
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert [(one["name"], one["version"]) for one in result["models"]] == [("mine", "7")]
    assert result["lungs"]["source"] == "classical"


def test_scaling_is_clipped_z_score():
    scaling = {"mean": [10.0, 0.0], "std": [2.0, 1.0], "clip": 3.0, "gain": 0.1}
    np.testing.assert_allclose(scale(np.array([[12.0, -50.0]]), scaling), [[0.1, -0.3]])
    released = make_scaling(np.array([[10.0, 4.0], [30.0, 4.0]]), "min-max")
    np.testing.assert_allclose(scale(np.array([[15.0, 4.0], [40.0, 5.0]]), released), [[0.25, 0.0], [1.5, 1.0]])


def said(name, classes, *probabilities):
    return {name: verdict(name.upper(), classes, list(probabilities))}


def test_models_together_are_the_mean_of_those_that_have_the_task():
    two = ["negative", "positive"]
    first = said("covid_ct", two, 0.9, 0.1) | said("grade", ["a", "b", "c"], 0.5, 0.3, 0.2)
    second = said("covid_ct", two, 0.2, 0.8) | said("grade", ["c", "a", "b"], 0.1, 0.2, 0.7)
    third = said("covid_ct", two[::-1], 0.3, 0.7) | said("other", ["x", "y"], 0.4, 0.6)
    together = combine([first, second, third])
    assert "mean" in together["rule"] and together["apart"] == [] and together["aggregate"] is None
    covid, grade, other = (together["tasks"][name] for name in ("covid_ct", "grade", "other"))
    np.testing.assert_allclose(covid["probabilities"], [0.6, 0.4])
    np.testing.assert_allclose(grade["probabilities"], [0.35, 0.5, 0.15])
    assert (covid["verdict"], grade["verdict"], grade["classes"]) == ("negative", "b", ["a", "b", "c"])
    assert (covid["models"], grade["models"], other["models"]) == ([0, 1, 2], [0, 1], [2])
    assert {**other, "models": None} == {**third["other"], "models": None}


def test_tasks_of_other_classes_stay_apart():
    two = ["negative", "positive"]
    together = combine([said("covid_ct", two, 0.9, 0.1), said("covid_ct", ["no", "perhaps", "yes"], 0.1, 0.2, 0.7)])
    assert (together["tasks"], together["apart"]) == ({}, ["covid_ct"])


def test_networks_of_one_diagnosis_each_make_the_papers_aggregate():
    two = ["negative", "positive"]
    models = [said("covid_ct", two, 0.7, 0.3), said("covid_nat", two, 0.4, 0.6), said("covid_ct", two, 0.9, 0.1)]
    together = combine(models)
    assert together["aggregate"]["verdict"] == "positive" and together["aggregate"]["probability"] == 0.6
    assert "either" in together["aggregate"]["rule"]
    assert aggregate(said("covid_ct", ["a", "b", "c"], 0.1, 0.2, 0.7) | models[1]) is None


def test_training_range_tells_usual_from_unusual():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((1000, 40))
    names = [f"f{i}" for i in range(40)]
    described = out_of_distribution.describe(train)
    usual = dict(zip(names, rng.standard_normal(40) * 0.5, strict=True))
    compared = out_of_distribution.compare(usual, names, described)
    assert compared["verdict"] == "like the training data" and out_of_distribution.warnings(compared) == []
    odd = usual | dict.fromkeys(names[:12], 9.0)
    compared = out_of_distribution.compare(odd, names, described)
    assert compared == {"unusual_share": 0.3, "beyond_all_share": 0.3, "verdict": "outside"}
    assert "30% of its features" in out_of_distribution.warnings(compared)[0]
    first = out_of_distribution.standing_out(odd | {"f20": -30.0}, names, described)[0]
    assert first["name"] == "f20" and first["percentile"] == 0 and first["distance"] < -25


@pytest.mark.parametrize("draws", [1, 2, 8])
def test_random_weights_sum_to_one_and_vary_less_with_more_draws(draws):
    loss = RandomWeightedLoss(3, draws, seed=1)
    weights = np.array([loss.weights().numpy() for _ in range(20_000)])
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    np.testing.assert_allclose(weights.mean(axis=0), 1 / 3, atol=0.005)
    # The variance of one draw of Dirichlet(1, 1, 1) is 1/18.
    np.testing.assert_allclose(weights.var(axis=0), 1 / 18 / draws, rtol=0.05)


def test_random_weighted_loss_weighs_the_tasks_cross_entropies():
    logits = [torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 0.0, 1.0]])]
    labels = torch.tensor([[0, 1]])
    loss = RandomWeightedLoss(2, seed=5)
    weights = RandomWeightedLoss(2, seed=5).weights().float()
    each = [torch.nn.functional.cross_entropy(one, labels[:, i]) for i, one in enumerate(logits)]
    assert loss(logits, labels) == pytest.approx(float(weights[0] * each[0] + weights[1] * each[1]))
    assert loss.eval()(logits, labels) == pytest.approx(float(sum(each) / 2))
