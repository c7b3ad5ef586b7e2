"""``covid-mtl model``: what it says, and published checkpoints that become models."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import covid_mtl
from COVIDMTLLib import RESEARCH_USE_ONLY
from COVIDMTLLib.cli import main
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.card import published_input
from COVIDMTLLib.models.checkpoint_import import RELEASE_FEATURES
from COVIDMTLLib.models.feature_scaling import scale
from COVIDMTLLib.models.out_of_distribution import describe
from COVIDMTLLib.models.release_checkpoint import recognise
from COVIDMTLLib.models.store import CARD, WEIGHTS, load_network, read_card, save_model
from COVIDMTLLib.networks import build_network
from safetensors.torch import load_file
from support.models.published_checkpoints import PUBLISHED, checkpoint


@pytest.fixture
def run(capsys):
    """Run the command line in this process; returns exit code, output and errors."""

    def model(*arguments):
        code = main.main(["model", *map(str, arguments)])
        return code, *capsys.readouterr()

    return model


@pytest.fixture
def published(tmp_path):
    """A function that writes one of the release's checkpoints, in half precision, from several GPUs."""

    def write(name):
        state = {f"module.{key}": tensor for key, tensor in checkpoint(PUBLISHED[name]).items()}
        half = {key: tensor.half() if tensor.is_floating_point() else tensor for key, tensor in state.items()}
        torch.save(half, tmp_path / "net.pth")
        return tmp_path / "net.pth"

    return write


def test_shipped_models_are_listed_and_shown(run):
    code, text, _ = run("list")
    assert code == 0 and "features-mtl 1.1: COVID-MTL on 375" in text and "AUC at home 0.891" in text
    assert RESEARCH_USE_ONLY in text
    listed = json.loads(run("list", "--json")[1])
    assert listed["research_use_only"] == RESEARCH_USE_ONLY
    assert listed["models"][0]["tasks"] == ["covid_ct", "covid_nat", "severity"]
    for one in listed["models"]:
        metrics = read_card(one["name"])["metrics"]
        assert one["test_auc"] == {task: metrics[task]["auc"] for task in one["tasks"]}
    code, text, _ = run("show", "features-mtl")
    for part in ("two hospitals in Wuhan", "Takes: 375 features", "severe/critically ill", RESEARCH_USE_ONLY):
        assert part in text
    code, text, _ = run("show", "features-mtl", "--json")
    card = json.loads(text)
    assert card["metrics"] == read_card("features-mtl")["metrics"]
    assert "features" not in card and "mean" not in card["scaling"]
    assert card["training_distribution"]["cases"] == 930 and len(text) < 5000


def test_check_runs_the_model(run):
    code, text, _ = run("check", "features+labs")
    assert code == 0 and "Takes: 375 features and if known age, sex, any of 81 laboratory values" in text
    ran = covid_mtl("model", "check", "features-mtl")
    assert ran.returncode == 0 and ran.stderr == ""
    assert ran.stdout.startswith("OK: features-mtl 1.1, 139,719 parameters\nTakes: 375 features\n")
    assert RESEARCH_USE_ONLY in ran.stdout
    ran = covid_mtl("model", "check", "nothing")
    assert (ran.returncode, ran.stdout) == (2, "") and ran.stderr.startswith("covid-mtl: There is no model nothing;")


def test_control_characters_of_a_card_do_not_reach_the_terminal(run, tmp_path):
    config = {"architecture": "features-mtl", "features": 1, "tasks": read_card("features-mtl")["tasks"]}
    card = {key: read_card("features-mtl")[key] for key in ("version", "tasks", "training_distribution")}
    card |= {"name": "odd\x1b[2J\nOK", "features": ["Mean"], "scaling": {"mean": [0], "std": [1], "clip": 3, "gain": 1}}
    card["training_distribution"]["values"] = card["training_distribution"]["values"][:1]
    save_model(tmp_path, card | {"network": config}, build_network(config))
    for command in ("show", "check"):
        code, text, _ = run(command, tmp_path)
        assert code == 0 and "odd [2J OK" in text and "\x1b" not in text


def test_published_network_with_features_becomes_a_model(run, published, tmp_path):
    path, out = published("volume and features"), tmp_path / "covid-mtl"
    code, text, errors = run("import", path, "--out", out)
    assert (code, errors) == (0, "")
    for part in ("COVID-MTL on a volume and 375 features, 3 tasks", "several GPUs", "half precision", "195 arrays"):
        assert part in text
    assert "those of the release's cohort" in text and RESEARCH_USE_ONLY in text
    card, network = load_network(out)
    assert sorted(file.name for file in out.iterdir()) == [CARD, WEIGHTS]
    assert (card["name"], card["input"]) == ("covid-mtl", published_input())
    assert "those of the release's cohort" in card["intended_use"] and tuple(card["features"]) == FEATURE_NAMES
    code, text, _ = run("import", path, "--out", tmp_path / "other", "--features-from", "features-mtl")
    assert code == 0 and "those of the model features-mtl" in text
    assert read_card(tmp_path / "other")["scaling"] == read_card("features-mtl")["scaling"] != card["scaling"]
    expected = recognise(torch.load(path, weights_only=True)).state
    for name, tensor in load_file(out / WEIGHTS).items():
        assert tensor.dtype in (torch.float32, torch.int64)
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=0)
    case = {"volume": torch.randn(1, 1, 64, 64, 64), "features": torch.randn(1, 375)}
    own = build_network(card["network"]).eval()
    own.load_state_dict(expected)
    with torch.no_grad():
        for one, other in zip(network(**case), own(**case), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


def test_imported_features_are_scaled_as_the_release_scaled_them(cohort_folder):
    """By minimum and maximum of all rows of its table, which are then 0 to 1, as by scikit-learn."""
    from sklearn.preprocessing import MinMaxScaler

    table = pd.read_csv(cohort_folder / "features.csv.gz")[list(FEATURE_NAMES)].to_numpy()
    released = json.loads(RELEASE_FEATURES.read_text())
    np.testing.assert_allclose(scale(table, released["scaling"]), MinMaxScaler().fit_transform(table), atol=1e-12)
    assert released["features"] == list(FEATURE_NAMES) and released["training_distribution"] == describe(table)


def test_tasks_of_an_imported_network_can_be_named(run, published, tmp_path):
    tasks = [{"name": "flu", "title": "Influenza", "classes": ["no", "yes"]}]
    (tmp_path / "tasks.json").write_text(json.dumps(tasks))
    arguments = ("--tasks", tmp_path / "tasks.json", "--name", "flu-net", "--title", "Flu")
    code, text, _ = run("import", published("SqueezeNet3D, 2 classes"), "--out", tmp_path / "m", *arguments)
    card = read_card(tmp_path / "m")
    assert code == 0 and "flu: Influenza (no, yes)" in text
    assert (card["name"], card["title"], card["tasks"]) == ("flu-net", "Flu", tasks) and "features" not in card


def test_features_for_a_network_that_takes_none_are_said_to_be_unneeded(run, published, tmp_path):
    """So that a panel need not know what a checkpoint holds before it is imported."""
    arguments = ("--out", tmp_path / "m", "--features-from", "features-mtl")
    code, text, errors = run("import", published("volume, two tasks"), *arguments)
    assert (code, errors) == (0, "") and "takes no features, so that features-mtl was not needed" in text
    assert "features" not in read_card(tmp_path / "m")


BAD = {
    "features of nobody": ("volume and features", ["--features-from", "nobody"], "There is no model nobody"),
    "tasks of no sense": ("volume, two tasks", ["--tasks", "LIST"], "task"),
    "tasks that are no list": ("volume, two tasks", ["--tasks", "DICT"], "have to be a list"),
    "no tasks": ("volume, two tasks", ["--tasks", "nowhere.json"], "There is no file nowhere.json"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_cannot_be_imported_leaves_nothing(kind, run, published, tmp_path):
    name, arguments, sentence = BAD[kind]
    for word, content in (("LIST", '[{"classes": 3}, 4]'), ("DICT", "{}")):
        if word in arguments:
            (tmp_path / word).write_text(content)
            arguments = [tmp_path / one if one == word else one for one in arguments]
    code, text, errors = run("import", published(name), "--out", tmp_path / "m", *arguments)
    assert (code, text) == (2, "") and sentence in errors and errors.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_other_files_are_not_imported_or_overwritten(run, published, tmp_path):
    path, out = published("SqueezeNet3D, 3 classes"), tmp_path / "m"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    code, _, errors = run("import", path, "--out", out)
    assert code == 2 and "is not empty" in errors and [file.name for file in out.iterdir()] == ["notes.txt"]
    state = torch.load(path, weights_only=True)
    state["module.classifier.1.bias"][0] = np.nan
    torch.save(state, path)
    code, _, errors = run("import", path, "--out", tmp_path / "n")
    assert code == 2 and "net.pth are not all finite" in errors and not (tmp_path / "n").exists()
