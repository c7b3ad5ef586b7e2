"""Models as files: the shipped one is what its card says, a damaged one is refused with a sentence."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import covid_mtl
from COVIDMTLLib import training_range
from COVIDMTLLib.devices import choose_device
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.feature_names import FEATURE_NAMES
from COVIDMTLLib.losses import RandomWeightedLoss
from COVIDMTLLib.models import CARD, WEIGHTS, load_model, read_card, scale, shipped_models
from safetensors.torch import load_file, save_file


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(shipped_models()["features-mtl"], tmp_path / "model")


def edit(folder, **changes):
    card = json.loads((folder / CARD).read_text())
    (folder / CARD).write_text(json.dumps({k: v for k, v in (card | changes).items() if v is not None}))


def reweigh(folder, change):
    """Change the weights and the hash with them."""
    from hashlib import sha256

    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS)
    edit(folder, weights={"file": WEIGHTS, "sha256": sha256((folder / WEIGHTS).read_bytes()).hexdigest()})


def test_shipped_model_is_complete():
    model = load_model()
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


def test_order_of_the_features_given_does_not_matter():
    model = load_model()
    values = np.array(model.card["scaling"]["mean"]) * 1.1
    forward = dict(zip(FEATURE_NAMES, values, strict=True))
    backward = dict(reversed(forward.items()))
    for a, b in zip(model.predict(forward).values(), model.predict(backward).values(), strict=True):
        np.testing.assert_array_equal(a, b)


def nan_weights(weights):
    weights["fnn.0.bias"][3] = float("nan")


def smaller(weights):
    weights["fnn.0.weight"] = weights["fnn.0.weight"][:, :-1].clone()


DAMAGED = {
    "no JSON": (lambda f: (f / CARD).write_text("{"), "is no JSON"),
    "other JSON": (lambda f: (f / CARD).write_text("[1]"), "something else than a COVID-MTL model"),
    "later format": (lambda f: edit(f, format_version=99), "format version 99"),
    "incomplete card": (lambda f: edit(f, scaling=None), "lacks scaling"),
    "no weights": (lambda f: (f / WEIGHTS).unlink(), "missing or damaged"),
    "truncated weights": (lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:1000]), "missing or damaged"),
    "pickle": (lambda f: torch.save({"fnn.0.weight": torch.ones(3)}, f / WEIGHTS), "missing or damaged"),
    "other weights": (
        lambda f: save_file({k: v + 1 for k, v in load_file(f / WEIGHTS).items()}, f / WEIGHTS),
        "is not the one its model.json names",
    ),
    "NaN": (lambda f: reweigh(f, nan_weights), "not all finite"),
    "wrong shape": (lambda f: reweigh(f, smaller), "do not fit the network"),
    "unknown feature": (lambda f: edit(f, features=["Mean", "MeanHaemoglobin"]), "MeanHaemoglobin"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_damaged_model_is_refused(folder, kind):
    damage, sentence = DAMAGED[kind]
    damage(folder)
    with pytest.raises(InputError, match=sentence) as refused:
        load_model(folder)
    if "weights" not in kind and kind not in ("pickle", "NaN", "wrong shape"):
        with pytest.raises(InputError) as card_refused:
            read_card(folder)
        assert str(card_refused.value) == str(refused.value)


def test_card_is_read_without_pytorch(folder):
    edit(folder, name="mine")
    script = "import sys; sys.modules['torch'] = None; from COVIDMTLLib.models import read_card; "
    script += f"print(read_card()['name'], read_card({str(folder)!r})['name'])"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.stdout.split() == ["features-mtl", "mine"], run.stderr
    assert read_card(folder) == load_model(folder).card
    with pytest.raises(InputError, match="There is no model other; shipped are features-mtl"):
        read_card("other")


@pytest.fixture
def machine(monkeypatch):
    """A function that makes PyTorch see some GPUs of NVIDIA's, or that of a Mac."""

    def make(cuda=0, mps=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    return make


def test_devices_are_chosen_among_those_there_are(machine):
    machine()
    assert choose_device().type == choose_device("cpu").type == "cpu"
    for name in ("cuda", "cuda:0", "mps"):
        with pytest.raises(InputError, match=rf"^This machine has no device {name} .*; choose cpu, or auto\.$"):
            choose_device(name)
    machine(mps=True)
    assert choose_device().type == choose_device("mps").type == "mps"
    machine(cuda=2, mps=True)
    assert choose_device().type == choose_device("cuda").type == "cuda"
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(InputError, match="no device cuda:2"):
        choose_device("cuda:2")
    for name in ("gpu", "cuda:", "cpu:0", ""):
        with pytest.raises(InputError, match="choose one of auto, cpu, cuda, mps"):
            choose_device(name)


def test_network_goes_to_the_device_chosen(machine, monkeypatch):
    machine(cuda=1)
    sent = []
    monkeypatch.setattr(torch.nn.Module, "to", lambda network, device: sent.append(device) or network)
    load_model()
    load_model(device="cpu")
    assert sent == [torch.device("cuda"), torch.device("cpu")]


def test_model_can_be_given_as_a_folder(folder, phantom, phantom_ct, tmp_path):
    edit(folder, name="mine", version="7")
    run = covid_mtl("assess", phantom_ct, "--out", tmp_path / "out", "--model", folder, "--refine", "none")
    assert run.returncode == 0, run.stderr
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert result["model"] == {"name": "mine", "version": "7"}
    assert result["lungs"]["source"] == "classical"


def test_scaling_is_clipped_z_score():
    scaling = {"mean": [10.0, 0.0], "std": [2.0, 1.0], "clip": 3.0, "gain": 0.1}
    np.testing.assert_allclose(scale(np.array([[12.0, -50.0]]), scaling), [[0.1, -0.3]])


def test_training_range_tells_usual_from_unusual():
    rng = np.random.default_rng(0)
    train = rng.standard_normal((1000, 40))
    names = [f"f{i}" for i in range(40)]
    described = training_range.describe(train)
    usual = dict(zip(names, rng.standard_normal(40) * 0.5, strict=True))
    compared = training_range.compare(usual, names, described)
    assert compared["verdict"] == "like the training data" and training_range.warnings(compared) == []
    odd = usual | {name: 9.0 for name in names[:12]}
    compared = training_range.compare(odd, names, described)
    assert compared == {"unusual_share": 0.3, "beyond_all_share": 0.3, "verdict": "outside"}
    assert "30% of its features" in training_range.warnings(compared)[0]
    first = training_range.standing_out(odd | {"f20": -30.0}, names, described)[0]
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
