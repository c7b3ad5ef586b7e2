"""Predictions of trained models for the cases of a store: those of the main job, and refusals that say why."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from covidmtl_training.data.store import Store, make_store
from covidmtl_training.evaluation.evaluate import evaluate
from covidmtl_training.evaluation.predictions import read
from covidmtl_training.evaluation.store_predictions import predict_split, predict_store, read_input
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.lung_crop import Crop, prepare
from COVIDMTLLib.imaging.volume import Geometry, Volume
from COVIDMTLLib.models import out_of_distribution
from COVIDMTLLib.models.release_checkpoint import TASKS
from COVIDMTLLib.models.store import fit_scaling, load_model, save_model
from COVIDMTLLib.networks import build_network, initialise
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.errors import InputError

BOX = (40, 40, 40)
INPUT = {"box": list(BOX), "start": [4, 3, 5], "size": [32, 32, 32], "clip": 2000, "mean": 100.0, "std": 300.0}
CASES = [f"case-{number:02d}" for number in range(12)]


def ct_and_lungs(seed):
    """A made-up CT, HU with some beyond what is kept, of odd and even sizes, and a mask in it."""
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(33, 40, 3))
    ct = Volume(rng.integers(-1500, 3500, shape).astype(np.int16), Geometry(shape[::-1]))
    return ct, rng.random(shape) < 0.3


def stored(ct, lungs):
    """What a store keeps of them."""
    return np.where(lungs, np.clip(ct.array.astype(int) + 1024, 0, 4095), 0).astype(np.int16)


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(0).normal(5, 2, (len(CASES), len(FEATURE_NAMES)))


@pytest.fixture(scope="module")
def store(features, tmp_path_factory):
    labels = np.array([[number % 2, number // 2 % 2, number % 3] for number in range(len(CASES))])
    labels[3, 1], labels[:, 2] = MISSING, np.where(labels[:, 2] == 2, MISSING, labels[:, 2])
    features = np.where(np.arange(len(CASES))[:, None] == 0, np.nan, features)
    volumes = (stored(*ct_and_lungs(seed)) for seed in range(len(CASES)))
    splits = ["train", *["test"] * (len(CASES) - 1)]
    return make_store(
        Store(tmp_path_factory.mktemp("store") / "store", BOX, 1.0, CASES, splits, labels, features), volumes
    )


@pytest.fixture(scope="module")
def model(features, tmp_path_factory):
    """A network on volume and features whose answers differ from case to case."""
    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "features": len(FEATURE_NAMES), "tasks": TASKS}
    card = {"name": "small", "version": "1", "tasks": TASKS, "network": config, "input": INPUT}
    card |= {"features": list(FEATURE_NAMES), "scaling": fit_scaling(features, 3.0, 1.0)}
    card |= {"training_distribution": out_of_distribution.describe(features)}
    torch.manual_seed(0)
    network = build_network(config)
    initialise(network)
    with torch.no_grad():
        for head in network.heads:
            head.classify.weight *= 0.01  # so that no answer is certain
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    save_model(folder, card, network)
    return folder


def test_probabilities_are_those_of_the_main_job(store, model):
    rows = [7, 2, 5]
    said = predict_store(model, store, rows)
    assert said.pids.tolist() == [CASES[row] for row in rows]
    loaded = load_model(model)
    for index, row in enumerate(rows):
        ct, lungs = ct_and_lungs(row)
        volume = prepare(ct, lungs.astype(np.uint8), Crop(**loaded.card["input"]))
        np.testing.assert_array_equal(read_input(store, row, loaded.card["input"]), volume.array)
        expected = loaded.predict(dict(zip(FEATURE_NAMES, store.features[row], strict=True)), volume)
        for number, (task, probabilities) in enumerate(expected.items()):
            np.testing.assert_array_equal(said.probabilities[task][index], probabilities)
            assert said.labels[task][index] == store.labels[row, number]
    assert 0.001 < np.ptp(said.probabilities["covid_ct"][:, 0]) < 0.99


@pytest.mark.parametrize("name", ["features", "features+labs"])
def test_shipped_models_need_no_volumes(store, name, monkeypatch):
    monkeypatch.setattr(type(store), "volume", None)
    said = predict_store(name, store, [1, 2])
    known = dict(zip(FEATURE_NAMES, store.features[2], strict=True))
    for task, expected in load_model(name).predict(known, patient={}).items():
        np.testing.assert_array_equal(said.probabilities[task][1], expected)


def changed(model, folder, **changes):
    """A copy of a model with another card."""
    loaded = load_model(model)
    card = {key: value for key, value in loaded.card.items() if not key.startswith("format")} | changes
    folder.mkdir()
    save_model(folder, card, build_network(card["network"]))
    return folder


def other_classes():
    tasks = [*TASKS[:2], {"name": "severity", "title": "Severity", "classes": ["mild", "severe"]}]
    network = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "features": 375, "tasks": tasks}
    return {"tasks": tasks, "network": network}


UNFIT = {
    "takes a box of 41 x 40 x 40 voxels of 1 mm, and the cases of the store": lambda: {
        "input": INPUT | {"box": [41, 40, 40]}
    },
    "takes a box of 40 x 40 x 40 voxels of 5 mm": lambda: {"input": INPUT | {"spacing": 5.0}},
    "a task severity of the classes mild, severe, of which a store has no labels": other_classes,
}


@pytest.mark.parametrize("sentence", UNFIT)
def test_models_for_other_cases_are_refused(store, model, tmp_path, sentence):
    with pytest.raises(InputError, match=sentence):
        predict_store(changed(model, tmp_path / "other", **UNFIT[sentence]()), store, [1])


def test_cases_without_features_are_named(store, model):
    with pytest.raises(InputError, match="takes lung features, and case-00 has none"):
        predict_store(model, store, [1, 0])


def test_cases_without_features_are_left_out_of_an_evaluation(store, model, tmp_path):
    other = Path(shutil.copytree(store.folder, tmp_path / "other"))
    table = pd.read_csv(other / "features.csv.gz", dtype=str).set_index("case")
    table.drop("case-05").to_csv(other / "features.csv.gz")
    said, left_out = predict_split({"net": model, "shipped": "features"}, other, "test")
    rows = [row for row in store.rows("test") if row != 5]
    for name, path in (("net", model), ("shipped", "features")):
        assert said[name].pids.tolist() == [CASES[row] for row in rows]
        expected = predict_store(path, store, rows).probabilities["covid_ct"]
        np.testing.assert_array_equal(said[name].probabilities["covid_ct"], expected)
    assert left_out == ["1 cases are left out, since they have no features."]
    assert left_out[0] in evaluate({"net": model}, tmp_path / "out", other).left_out
    with pytest.raises(InputError, match="No case of the split train of other has the features"):
        predict_split({"net": model}, other, "train")


def test_evaluation_of_a_model_is_that_of_its_table(store, model, tmp_path):
    found = evaluate({"net": model, "shipped": "features"}, tmp_path / "out", store.folder)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"predictions_net.csv", "predictions_shipped.csv", "measures.csv", "roc.png", "reliability.png"} <= names
    # No case has the last class of severity, and one has no label of the nucleic acid test.
    assert found.measures.groupby("task").cases.first().to_dict() == {"covid_ct": 11, "covid_nat": 10}
    assert len(found.left_out) == 1 and "severity is left out" in found.left_out[0]
    table = read(tmp_path / "out" / "predictions_net.csv")
    said = predict_store(model, store, store.rows("test"))
    np.testing.assert_array_equal(table.labels["severity"], said.labels["severity"])
    again = evaluate(
        {"net": tmp_path / "out" / "predictions_net.csv", "shipped": "features"}, tmp_path / "2", store.folder
    )
    assert again.measures.equals(found.measures)


def test_what_an_evaluation_of_models_needs(store, model, tmp_path):
    for options, sentence in (
        ({}, "net is a trained model; give it cases"),
        ({"store": tmp_path}, "store"),
        ({"store": store.folder, "split": "validation"}, "no cases of the split validation"),
    ):
        with pytest.raises(InputError, match=sentence):
            evaluate({"net": model}, tmp_path / "out", **options)
    with pytest.raises(InputError, match="named after a/b"):
        evaluate({"a/b": model}, tmp_path / "out", store.folder)
    assert not (tmp_path / "out").exists()
