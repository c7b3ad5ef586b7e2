"""Transfer of a trained model by the script: shared layers to the bit, the model's own scaling, new tasks."""

import json
import sys

import numpy as np
import pytest
import torch
from covidmtl_training.data.store import Store, make_store
from covidmtl_training.engine.fit import fit
from covidmtl_training.engine.transfer import main, transfer, transfer_recipe
from covidmtl_training.evaluation.predictions import read
from covidmtl_training.recipes.recipe import read_recipe
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.store import load_network, read_card
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.errors import InputError

BOX, CASES = (36, 36, 36), 16

RECIPE = [
    "tasks=[covid_ct, covid_nat]",
    "loss={name: two-task}",
    "network.shift={chance: 0.5}",
    "network.head={maps: 8}",
    "input={box: [36, 36, 36], start: [2, 2, 2], size: [32, 32, 32], mean: 1500, std: 1000}",
    "crops={first: [0, 0, 0], last: [4, 4, 4], step: 2}",
    # Frozen batch normalisation goes by the running statistics, which two steps leave far off: the maps are huge.
    "optimizer.lr=1e-7",
    "epochs=1",
    "batch_size=6",
    "micro_batch_size=6",
    "precision=32-true",
    "workers=0",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    rng = np.random.default_rng(0)
    severity = np.arange(CASES) % 3
    labels = np.stack([severity > 0, severity > 1, np.where(np.arange(CASES) < 5, MISSING, severity)], axis=1)
    volumes = rng.integers(0, 3000, (CASES, *BOX)).astype(np.int16)
    features = rng.normal(severity[:, None], 1, (CASES, len(FEATURE_NAMES)))
    names, splits = [f"case{number}" for number in range(CASES)], ["train"] * 12 + ["test"] * 4
    return make_store(
        Store(tmp_path_factory.mktemp("store") / "store", BOX, 1.0, names, splits, labels, features), volumes
    )


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    """The model of a run for the two diagnoses."""
    return (
        fit(store, read_recipe(overrides=RECIPE), tmp_path_factory.mktemp("runs") / "run", device="cpu").folder / "last"
    )


def test_only_the_new_heads_are_trained_and_the_features_are_scaled_as_before(store, trained, tmp_path):
    shown = transfer(trained, store.folder, tmp_path / "new", ["severity"], overrides=["epochs=2"], device="cpu")
    assert len(shown.log) == 2
    (card, network), (before, source) = load_network(tmp_path / "new" / "last"), load_network(trained)
    state, start = network.state_dict(), source.state_dict()
    shared = [name for name in start if not name.startswith("heads.")]
    assert shared == [name for name in state if not name.startswith("heads.")]
    assert all(torch.equal(state[name], start[name]) for name in shared)
    assert len(set(shown.log.loss)) == 2 and np.isfinite(shown.log.loss).all()
    assert [task["name"] for task in card["tasks"]] == ["severity"] and network.backbone.shift.chance == 0.5
    # Cases without a grade of severity are not trained on, so that a scaling of its own would be another.
    assert card["training"]["training_cases"] < before["training"]["training_cases"]
    assert card["scaling"] == before["scaling"] and card["input"] == before["input"]
    assert list(read(tmp_path / "new" / "predictions.csv").labels) == ["severity"]

    without = ["epochs=1", "network.shift=null"]
    transfer(trained, store.folder, tmp_path / "still", ["severity"], overrides=without, device="cpu")
    start = (tmp_path / "new" / "last" / "model.safetensors").read_bytes()
    assert read_card(tmp_path / "still" / "last")["network"].get("shift") is None
    transfer(trained, store.folder, tmp_path / "new", ["severity"], overrides=["epochs=2"], device="cpu")
    assert (tmp_path / "new" / "last" / "model.safetensors").read_bytes() == start  # a finished run is only read


def test_recipe_is_that_of_the_model_but_for_its_epochs(trained):
    own, recipe = read_recipe(overrides=RECIPE), transfer_recipe(read_card(trained), ["severity", "covid_ct"])
    assert recipe["epochs"] == 50 and recipe["tasks"] == ["severity", "covid_ct"]
    assert recipe["loss"]["name"] == "random-weighted" and recipe["network"]["head"]["maps"] == 32
    same = own.keys() - {"epochs", "tasks", "loss", "network"}
    assert {key: recipe[key] for key in same} == {key: own[key] for key in same}
    assert recipe["network"]["shift"] == own["network"]["shift"]


@pytest.mark.parametrize(
    "change",
    ["input.mean=3", "network.features=false", "tasks=[covid_ct]", "scaling.name=z-score", "network.head.maps=3"],
)
def test_what_is_the_models_stays(trained, change):
    with pytest.raises(InputError, match=f"A transfer keeps {change.partition('=')[0].partition('.')[0]} of the model"):
        transfer_recipe(read_card(trained), ["severity"], overrides=[change])


def test_unfit_models_are_refused_in_a_sentence(store, trained, tmp_path, monkeypatch, capsys):
    def said(model, folder):
        monkeypatch.setattr(
            sys, "argv", ["transfer.py", str(model), str(folder), "--out", str(tmp_path / "out"), "--tasks", "severity"]
        )
        assert main() == 2
        return capsys.readouterr().err

    assert "Model features-mtl sees no volume" in said("features-mtl", store.folder)
    assert "There is no model" in said(tmp_path / "none", store.folder)
    card = json.loads((trained / "model.json").read_text())
    card["features"] = card["features"][::-1]
    (tmp_path / "turned").mkdir()
    (tmp_path / "turned" / "model.json").write_text(json.dumps(card))
    (tmp_path / "turned" / "model.safetensors").write_bytes((trained / "model.safetensors").read_bytes())
    assert "takes other features" in said(tmp_path / "turned", store.folder)
    assert said(trained, tmp_path / "no-store").startswith("transfer: ")
    assert not (tmp_path / "out").exists()
