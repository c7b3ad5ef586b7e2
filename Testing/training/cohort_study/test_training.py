"""Training of the shipped model: repeatable, on training rows only, and as good as its card says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.utils.errors import InputError

TRAINING = Path(__file__).parents[3] / "Training"
BARS = {"covid_ct": 0.886, "covid_nat": 0.802, "severity": 0.741}  # Table 8


def train(*arguments, **environment):
    command = [sys.executable, TRAINING / "train_features.py", *arguments]
    env = {key: value for key, value in os.environ.items() if key != "COVIDMTL_COHORT"} | environment
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, env=env)


@pytest.fixture(scope="module")
def small_cohort(tmp_path_factory):
    """Two hundred made-up patients whose labels show in a few features, and a recipe for them."""
    folder = tmp_path_factory.mktemp("cohort")
    rng = np.random.default_rng(0)
    severity = np.repeat([0, 1, 2], [100, 70, 30])
    features = rng.standard_normal((200, len(FEATURE_NAMES))) * 100
    features[:, :40] += 150 * severity[:, None]
    table = pd.DataFrame(features, columns=FEATURE_NAMES)
    table.insert(0, "PID", range(200))
    table.to_csv(folder / "features.csv.gz", index=False)
    positive = (severity > 0).astype(int)
    patients = {"PID": range(200), "COVID_CT": positive, "COVID_NAT": positive, "COVID_Severity": severity}
    pd.DataFrame(patients).to_csv(folder / "patients.csv", index=False)
    recipe = (TRAINING / "recipes" / "features_mtl.yaml").read_text().replace("epochs: 80 ", "epochs: 30 ")
    (folder / "recipe.yaml").write_text(recipe.replace("average_from: 40 ", "average_from: 15 "))
    return folder


def test_training_repeats_exactly_learns_and_sees_no_test_row(small_cohort, tmp_path):
    """With other values in the test rows the same network comes out, too."""
    from covidmtl_training.cohort import cohort
    from sklearn.model_selection import train_test_split

    features = pd.read_csv(small_cohort / "features.csv.gz")
    patients = pd.read_csv(small_cohort / "patients.csv")
    _, test = train_test_split(np.arange(200), stratify=patients.COVID_NAT, **cohort.SPLIT)
    features.loc[test, list(FEATURE_NAMES)] = 1e6
    features.to_csv(tmp_path / "features.csv.gz", index=False)
    patients.to_csv(tmp_path / "patients.csv", index=False)
    for folder, out in ((small_cohort, "first"), (tmp_path, "changed")):
        run = train("--cohort", folder, "--config", small_cohort / "recipe.yaml", "--out", tmp_path / out)
        assert run.returncode == 0, run.stderr
    first, changed = ((tmp_path / out / "model.safetensors").read_bytes() for out in ("first", "changed"))
    assert first == changed
    first, changed = (json.loads((tmp_path / out / "model.json").read_text()) for out in ("first", "changed"))
    assert first.pop("metrics") != changed.pop("metrics") and first == changed  # but for what the test rows say
    model = load_model(tmp_path / "first")
    assert all(model.card["metrics"][task]["auc"] > 0.9 for task in BARS)
    assert model.card["split"]["training_cases"] == 140


def test_missing_or_foreign_tables_are_refused(small_cohort, tmp_path):
    from covidmtl_training.cohort import cohort

    run = train("--out", tmp_path / "model")
    assert run.returncode == 2 and "COVIDMTL_COHORT" in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "model").exists()
    with pytest.raises(InputError, match="There is no features.csv.gz"):
        cohort.load(tmp_path)
    (tmp_path / "features.csv.gz").write_bytes((small_cohort / "features.csv.gz").read_bytes())
    pd.read_csv(small_cohort / "patients.csv").iloc[::-1].to_csv(tmp_path / "patients.csv", index=False)
    with pytest.raises(InputError, match="same patients in the same order"):
        cohort.load(tmp_path)


def test_split_is_that_of_table_1(cohort_folder):
    from covidmtl_training.cohort import cohort

    train_rows, test_rows = cohort.paper_split(cohort.load(cohort_folder))
    counts = [[np.bincount(rows.labels[:, task]).tolist() for task in range(3)] for rows in (train_rows, test_rows)]
    assert counts[0] == [[229, 701], [397, 533], [397, 398, 135]]
    assert counts[1] == [[102, 297], [171, 228], [171, 164, 64]]


@pytest.mark.slow
def test_documented_command_gives_the_shipped_model_again(cohort_folder, tmp_path):
    run = train("--out", tmp_path, COVIDMTL_COHORT=str(cohort_folder))
    assert run.returncode == 0, run.stderr
    again, shipped = json.loads((tmp_path / "model.json").read_text()), load_model("features-mtl").card
    for task, bar in BARS.items():
        assert shipped["metrics"][task]["auc"] >= bar
        assert again["metrics"][task]["auc"] == pytest.approx(shipped["metrics"][task]["auc"], abs=0.005)


def test_shipped_model_reaches_what_its_card_says(cohort_folder):
    """Case by case, through the function that the main job calls."""
    from covidmtl_training.cohort import cohort
    from covidmtl_training.evaluation.metrics import classification_metrics

    model = load_model("features-mtl")
    _, test_rows = cohort.paper_split(cohort.load(cohort_folder))
    cases = [model.predict(dict(zip(FEATURE_NAMES, row, strict=True))) for row in test_rows.features]
    for index, task in enumerate(BARS):
        found = classification_metrics(test_rows.labels[:, index], np.array([case[task] for case in cases]))
        assert found == pytest.approx(model.card["metrics"][task], abs=0.005)
