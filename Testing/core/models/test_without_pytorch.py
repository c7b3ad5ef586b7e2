"""Models that see features and values of the patient answer in NumPy, as their networks in PyTorch do."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from COVIDMTLLib.architectures.config import weights_wanted
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.card import network_config, published_input
from COVIDMTLLib.models.inference import make_ready
from COVIDMTLLib.models.store import load_model, load_network, needs_torch, save_model, shipped_models
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.prediction.attention_maps import attention_maps
from COVIDMTLLib.utils.errors import InputError
from support.missing_packages import blocked

CPU = torch.device("cpu")


@pytest.fixture
def cases(cohort_folder):
    """Features and values of some of the cohort's patients, and of one of whom little is known."""
    from covidmtl_training.cohort.cohort import load
    from covidmtl_training.tabular.experts import patient_values

    cohort = load(cohort_folder)
    chosen = np.random.default_rng(0).choice(len(cohort.features), 60, replace=False)
    features, patients = np.asarray(cohort.features)[chosen], patient_values(cohort)[chosen]
    patients[:20, 2:] = np.nan
    patients[:5, :2] = np.nan
    return features, patients


@pytest.mark.parametrize("name", [name for name in shipped_models() if name != "transportable"])
def test_probabilities_are_those_of_pytorch(name, cases):
    assert not needs_torch(name)
    model, (_card, network) = load_model(name), load_network(name)
    network = network.double()
    for features, patient in zip(*cases, strict=True):
        known = dict(zip(model.patient_values, patient, strict=False))
        case = model.case(dict(zip(FEATURE_NAMES, features, strict=True)), patient=known)
        # In the precision of training, as both see them, and then in that of NumPy.
        given = {key: torch.from_numpy(values.astype(np.float32)).double()[None] for key, values in case.items()}
        with torch.no_grad():
            expected = [torch.softmax(one[0], 0).numpy() for one in network(**given)]
        for mine, theirs in zip(model.runner.probabilities(**case), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("number", "name"), [(1, "ct_kernel"), (2, "ct_perceptrons"), (4, "labs_kernel")])
def test_gradients_behind_contributions_are_those_of_pytorch(number, name):
    network = load_model("features+labs").runner.network
    expert, of_pytorch = [*network.of_ct, *network.of_labs][number], getattr(load_network("features+labs")[1], name)
    rng = np.random.default_rng(number)
    path, weights = expert.average + rng.normal(size=(7, len(expert.average))), rng.random(7)
    inputs = torch.tensor(path, requires_grad=True)
    by_group = torch.tensor(weights) @ of_pytorch.double().logits(inputs)
    expected = [torch.autograd.grad(one, inputs, retain_graph=True)[0].sum(0) for one in by_group]
    assert max(one.abs().max() for one in expected) > 1e-3
    np.testing.assert_allclose(expert.gradient(path, weights), torch.stack(expected, 1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", [name for name in shipped_models() if name != "transportable"])
def test_weights_wanted_are_those_of_the_network_of_pytorch(name):
    config = network_config(load_network(name)[0])
    wanted = {key: (tuple(one.shape), str(one.dtype)[6:]) for key, one in build_network(config).state_dict().items()}
    assert weights_wanted(config) == wanted


def test_command_line_assesses_without_pytorch_pyradiomics_and_scikit_learn(phantom_ct, tmp_path):
    (tmp_path / "missing").mkdir()
    paths = [str(blocked(tmp_path / "missing")), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "COVIDMTLLib"]
    assess = [*command, "assess", phantom_ct, "--out", tmp_path / "out", "--progress", "none", "--device", "cuda"]
    assess += ["--model", "features+labs"]
    ran = subprocess.run(assess, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    result = json.loads((tmp_path / "out" / "assessment.json").read_text())
    assert len(result["tasks"]) == 3 and all(task["contributions"] for task in result["tasks"].values())

    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "features": None, "tasks": result_tasks(result)}
    (tmp_path / "volumes").mkdir()
    card = {"name": "volumes", "version": "1", "tasks": config["tasks"], "network": config}
    card["input"] = published_input()
    save_model(tmp_path / "volumes", card, build_network(config))
    assess[assess.index("--out") + 1] = tmp_path / "other"
    ran = subprocess.run([*assess, "--model", tmp_path / "volumes"], env=environment, capture_output=True, text=True)
    assert ran.returncode == 2 and "pip install torch; in Slicer, the extension PyTorch" in ran.stderr


def result_tasks(result):
    return [{"name": name} | {key: task[key] for key in ("title", "classes")} for name, task in result["tasks"].items()]


def test_pytorch_that_does_not_know_this_numpy_predicts_the_same(monkeypatch):
    """As PyTorch 2.2, the last for macOS on x86-64, beside NumPy 2."""

    def unknown(*arguments, **options):
        raise RuntimeError("Numpy is not available")

    tasks = [{"name": "kind", "title": "Kind", "classes": ["a", "b"]}]
    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "features": 5, "tasks": tasks}
    torch.manual_seed(0)
    runner = make_ready(build_network(config), CPU)
    case = {"volume": np.random.default_rng(0).normal(size=(48, 64, 64)), "features": np.arange(5.0)}
    expected = runner.probabilities(**case)
    attention = attention_maps(runner.network, **runner.tensors(**case), classes={0: 1})[0]
    for name in ("numpy", "__array__"):
        monkeypatch.setattr(torch.Tensor, name, unknown)
    for name in ("from_numpy", "as_tensor", "tensor"):
        monkeypatch.setattr(torch, name, unknown)
    np.testing.assert_array_equal(runner.probabilities(**case), expected)
    again = attention_maps(runner.network, **runner.tensors(**case), classes={0: 1})[0]
    assert again.tobytes() == attention.tobytes() and np.ptp(again) > 0


def test_auto_takes_no_gpu_of_a_mac_of_x86_64(monkeypatch):
    from COVIDMTLLib.models.device import choose_device

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    assert choose_device("auto").type == "cpu"
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    assert choose_device("auto").type == "mps"


def test_unknown_device_is_refused_for_every_model_and_an_unused_one_for_none():
    assert load_model(device="cuda:99").runner.used["device"] == "cpu"
    with pytest.raises(InputError, match="There is no device tpu; choose one of auto, cpu, cuda, mps"):
        load_model(device="tpu")
