"""The models features and features+labs: as good as they are said to be, and trained on training rows alone."""

import dataclasses
import json
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from covidmtl_training.cohort import cohort
from covidmtl_training.cohort_study import baselines, importance, study
from covidmtl_training.cohort_study.unseen_hospital import unseen_hospital
from covidmtl_training.evaluation.metrics import auc, expected_calibration_error
from covidmtl_training.evaluation.predictions import CLASSES, read
from covidmtl_training.tabular import experts, test_set_log
from covidmtl_training.tabular.shipped import answers
from covidmtl_training.tabular.simulate_calibration import simulate
from covidmtl_training.tabular.train_tabular import train_and_save
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.utils.errors import InputError
from support.data.made_up_cohort import made_up_cohort

TRAINING = Path(__file__).parents[3] / "Training"


BARS = {
    "features": {"covid_ct": 0.921, "covid_nat": 0.821, "severity": 0.794},
    "features+labs": {"covid_ct": 0.945, "covid_nat": 0.868, "severity": 0.840},
}


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A made-up cohort, and a recipe that takes seconds on it."""
    monkeypatch.setattr(experts, "FOLDS", 3)
    monkeypatch.setattr(experts, "REPEATS", 1)
    config = yaml.safe_load((TRAINING / "recipes" / "tabular.yaml").read_text(encoding="utf-8"))
    recipe = config["recipe"]
    recipe["ct_forest"]["n_estimators"] = recipe["labs_forest"]["n_estimators"] = 10
    recipe["ct_perceptrons"] |= {"members": 2, "epochs": 3}
    recipe["projections"] = 10
    whole = cohort.load(made_up_cohort(tmp_path / "cohort", cases=300, seed=2))
    # Of labels that nearly nobody has together, no group can be made.
    of_row, counts = np.unique(whole.labels, axis=0, return_inverse=True, return_counts=True)[1:]
    return whole.rows(np.flatnonzero(counts[of_row] >= 25)), config


def _ece_of_calibrated(probabilities):
    """What 95 % of perfectly calibrated models with these probabilities stay under: the error is mostly chance."""
    rng = np.random.default_rng(0)
    draws = [
        (rng.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)[:, :-1]).sum(axis=1) for _ in range(300)
    ]
    return np.quantile([expected_calibration_error(labels, probabilities) for labels in draws], 0.95)


@pytest.mark.parametrize("name", BARS)
def test_shipped_model_reaches_what_its_card_says(cohort_folder, name):
    _, test = cohort.paper_split(cohort.load(cohort_folder))
    model = load_model(name, "cpu")
    said = answers(model, test)
    for index, task in enumerate(CLASSES):
        labels, probabilities, card = test.labels[:, index], said.probabilities[task], model.card["metrics"][task]
        found = {
            "auc": auc(labels, probabilities),
            "ece": expected_calibration_error(labels, probabilities),
            "set_coverage": np.mean(said.sets[task][np.arange(len(labels)), labels]),
        }
        assert found == pytest.approx({key: card[key] for key in found}, abs=1e-4)
        assert found["auc"] >= BARS[name][task]
        assert found["ece"] <= _ece_of_calibrated(probabilities)
        by_class = [sets[labels == c].mean() for c, sets in enumerate(said.sets[task].T)]
        assert by_class == pytest.approx(card["set_coverage_by_class"], abs=1e-4) and min(by_class) >= 0.87


def test_without_laboratory_values_both_shipped_models_say_the_same(cohort_folder):
    _, test = cohort.paper_split(cohort.load(cohort_folder))
    few = test.rows(np.arange(20))
    patient = experts.patient_values(few)
    patient[:, 2:] = np.nan
    patient[::2, :2] = np.nan  # nor is age or sex needed
    both = [answers(load_model(name, "cpu"), few, patient) for name in BARS]
    for task in CLASSES:
        np.testing.assert_array_equal(both[0].probabilities[task], both[1].probabilities[task])
        np.testing.assert_array_equal(both[0].sets[task], both[1].sets[task])


def test_training_repeats_exactly_and_sees_no_test_row(small, tmp_path):
    whole, config = small
    pids = cohort.paper_split(whole)[1].patients.PID
    scrambled = whole.features.copy()
    scrambled[whole.patients.PID.isin(pids)] *= -3
    for out, rows in (("first", whole), ("other", dataclasses.replace(whole, features=scrambled))):
        train_and_save(rows, config, tmp_path / out, tmp_path / "looks.csv")
    for name in BARS:
        first, other = (tmp_path / out / name for out in ("first", "other"))
        assert (first / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()
        cards = [json.loads((folder / "model.json").read_text()) for folder in (first, other)]
        for kept in ("prediction_sets", "scaling", "training_distribution"):
            assert cards[0][kept] == cards[1][kept]
        assert cards[0]["metrics"] != cards[1]["metrics"]
        assert cards[0]["metrics"]["covid_ct"]["auc"] > 0.6
    # The same weights again are no new look.
    assert pd.read_csv(tmp_path / "looks.csv").model.tolist() == list(BARS)


def test_study_of_a_made_up_cohort(small, tmp_path, monkeypatch):
    whole, config = small
    for module in (baselines, importance):
        monkeypatch.setattr(module, "TREES", 15, raising=False)
    network = yaml.safe_load((TRAINING / "recipes" / "features_mtl.yaml").read_text(encoding="utf-8"))
    network["recipe"] |= {"epochs": 2, "average_from": 1}
    monkeypatch.setattr(study, "unseen_hospital", partial(unseen_hospital, network=network))
    monkeypatch.setattr(study, "simulate", partial(simulate, sizes=(20, 50), draws=2))
    out = tmp_path / "study"
    text = study.study(whole, config, out)
    assert text == (out / "study.md").read_text(encoding="utf-8")
    for wanted in (
        "## An unseen hospital",
        "| HUST-Union Hospital | transportable | covid_ct |",
        "Tables 1 and 5",
        "| table_3 | covid_ct | RF | AUC | 0.9130 |",
        "| severity | features+labs |",
    ):
        assert wanted in text
    figures = {"figure_5", "figure_6", "figure_8", "roc", "reliability", "by_group"}
    for kind in ("svg", "png"):
        assert {path.stem for path in out.rglob(f"*.{kind}")} >= figures
    pairs = pd.read_csv(out / "evaluation" / "pairs.csv")
    assert len(pairs) == 3 * 10  # tasks, and pairs of five models
    # What is printed of an own model is what the model says of the test rows.
    stored = read(out / "models" / "predictions_features+labs.csv")
    expected = auc(stored.labels["severity"], stored.probabilities["severity"])
    measures = pd.read_csv(out / "evaluation" / "measures.csv")
    row = measures[(measures.model == "features+labs") & (measures.task == "severity")]
    assert row.auc.item() == pytest.approx(expected) and f" {expected:.4f} " in text
    assert len(pd.read_csv(out / "test_looks.csv")) == 2


def test_study_needs_laboratory_values(small, tmp_path):
    whole, config = small
    with pytest.raises(InputError, match="needs the laboratory values"):
        study.study(dataclasses.replace(whole, labs=None), config, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_patients_of_a_group(small, tmp_path):
    whole, config = small
    few = whole.rows(np.r_[np.flatnonzero(whole.labels[:, 2] < 2), np.flatnonzero(whole.labels[:, 2] == 2)[:4]])
    with pytest.raises(InputError, match="Fewer than 4 patients .* labels 1, 1, 2"):
        train_and_save(few, config, tmp_path / "models", tmp_path / "looks.csv")


def test_record_of_looks_that_is_kept():
    """Every weights that are shipped have been entered."""
    known = pd.read_csv(test_set_log.RECORD)
    for name in BARS:
        assert load_model(name, "cpu").card["weights"]["sha256"] in set(known.weights)
