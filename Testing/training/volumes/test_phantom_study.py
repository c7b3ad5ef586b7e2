"""From nothing to a tested network, in small: phantoms, store, training, evaluation, and the main job with it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import PHANTOMS
from covidmtl_training.evaluation import predictions
from covidmtl_training.phantoms.study import phantom_study
from COVIDMTLLib.assessment.pipeline import assess

TRAINING = Path(__file__).parents[3] / "Training"


@pytest.fixture(scope="module")
def study(phantom_study_folder):
    out = phantom_study_folder
    found = phantom_study(
        out,
        PHANTOMS,
        config=TRAINING / "recipes" / "phantoms_coarse.yaml",
        overrides=["epochs=8", "watch_test=true"],
        device="cpu",
    )
    return out, found


def test_network_learns_what_decides_the_labels(study):
    out, found = study
    auc = found.measures.set_index("task").auc
    # Of 16 test cases; the whole study, which the README has, reaches more.
    assert auc.covid_ct >= 0.8 and auc.severity >= 0.7
    log = pd.read_csv(out / "run" / "log.csv")
    assert log.loss.iloc[0] < 1.5 and log.loss.iloc[-1] < 0.8 * log.loss.iloc[0]
    assert {path.name for path in (out / "evaluation").iterdir()} >= {"measures.csv", "roc.png", "reliability.svg"}


def test_main_job_says_of_a_phantom_what_was_said_in_training(study):
    out, _ = study
    said = predictions.read(out / "run" / "predictions.csv")
    rows = pd.read_csv(out / "cohort" / "cases.csv").set_index("case")
    number = rows["size"].loc[said.pids].argmin()  # the smallest takes the least time
    row = rows.loc[said.pids[number]]
    assessed = assess(
        out / "cohort" / row.ct, lungs=out / "cohort" / row.lungs, model=out / "run" / "last", device="cpu"
    )
    for task, expected in said.probabilities.items():
        found = assessed.result["tasks"][task]["probabilities"]
        # The main job has HU in whole numbers on its way.
        np.testing.assert_allclose(found, expected[number], atol=0.03)


def test_command_goes_on_from_where_it_was(study):
    out, found = study
    command = [sys.executable, TRAINING / "phantom_study.py", "--out", out, "--cases", str(PHANTOMS), "--device", "cpu"]
    recipe = ["--config", TRAINING / "recipes" / "phantoms_coarse.yaml", "--set", "epochs=8", "watch_test=true"]
    weights = (out / "run" / "last" / "model.safetensors").stat().st_mtime_ns
    done = subprocess.run(list(map(str, [*command, *recipe])), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (out / "run" / "last" / "model.safetensors").stat().st_mtime_ns == weights
    assert f"{found.measures.auc.iloc[0]:.3f}" in done.stdout
