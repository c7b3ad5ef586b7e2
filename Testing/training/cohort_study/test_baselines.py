"""RF and LGBM as the paper has them: on a made-up cohort how they are run, on the real one what they reach."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from covidmtl_training.cohort import cohort
from covidmtl_training.cohort_study import baselines
from covidmtl_training.evaluation.metrics import classification_metrics
from covidmtl_training.evaluation.predictions import CLASSES, read
from covidmtl_training.utils import tables
from COVIDMTLLib.models.store import load_model
from COVIDMTLLib.utils.errors import InputError
from support.data.made_up_cohort import made_up_cohort

TRAINING = Path(__file__).parents[3] / "Training"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return cohort.load(made_up_cohort(tmp_path_factory.mktemp("cohort"), cases=160, seed=1))


@pytest.fixture(scope="module")
def hog_csv(small, tmp_path_factory):
    """HOG features that show the labels, rows in another order than the cohort's."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.random((160, 400)) + 0.2 * small.labels[:, [2]]).add_prefix("hog_")
    table.insert(0, "PID", small.patients.PID)
    path = tmp_path_factory.mktemp("hog") / "hog.csv.gz"
    table.sample(frac=1, random_state=0).to_csv(path, index=False)
    return path


def test_baselines_of_a_made_up_cohort(small, hog_csv, tmp_path, monkeypatch):
    monkeypatch.setattr(baselines, "TREES", 15)
    paths, compared = baselines.baselines(small, tmp_path, hog_csv)
    assert {path.stem for path in tmp_path.iterdir()} == {
        *("table_3", "table_4", "table_8", "table_9", "published_baselines"),
        *("predictions_RF", "predictions_LGBM", "predictions_features-mtl"),
    }
    _, test = cohort.paper_split(small)
    for name, path in paths.items():
        found = read(path)
        assert found.pids.tolist() == test.patients.PID.tolist()
        assert np.array_equal(np.transpose([found.labels[task] for task in CLASSES]), test.labels)
        if name != "features-mtl":
            # With the printed measures of another model or task, this would not hold.
            row = compared[(compared.model == name) & (compared.task == "severity") & (compared.table == "table_4")]
            expected = classification_metrics(found.labels["severity"], found.probabilities["severity"])
            np.testing.assert_allclose(row.set_index("measure").reproduced["AUC"], expected["auc"])
            assert expected["auc"] > 0.6
    np.testing.assert_allclose(compared.difference, compared.reproduced - compared.published)
    assert compared.groupby("table").size().to_dict() == {"table_3": 20, "table_4": 10, "table_8": 15, "table_9": 30}
    assert compared[(compared.table == "table_9") & (compared.measure == "AUC")].reproduced.min() > 0.6
    by_class = pd.read_csv(tmp_path / "table_4.csv").filter(like="AUC, ")
    np.testing.assert_allclose(by_class.mean(axis=1), pd.read_csv(tmp_path / "table_4.csv").AUC)


def test_nothing_is_learned_from_the_test_rows(small, monkeypatch):
    """What is said of five test rows stays the same, whatever the others are."""
    monkeypatch.setattr(baselines, "TREES", 5)
    train, test = cohort.paper_split(small)
    others = np.concatenate([test.features[:5], 1e9 + test.features[5:]])
    for a, b in (
        [baselines.train_and_predict(train.features, train.labels[:, 2], rows) for rows in (test.features, others)],
        [dict(enumerate(baselines.reduce(train.features, rows))) for rows in (test.features, others)],
    ):
        for part in a:
            np.testing.assert_array_equal(a[part][:5], b[part][:5])


def test_bad_input_is_refused_with_a_sentence(small, hog_csv, tmp_path):
    table = pd.read_csv(hog_csv)
    missing = table.PID[3]
    table.drop(index=3).to_csv(tmp_path / "short.csv", index=False)
    with pytest.raises(InputError, match=f"short.csv lacks HOG features of patient {missing};"):
        baselines.baselines(small, tmp_path / "out", tmp_path / "short.csv")
    few = small.rows(np.flatnonzero(small.labels[:, 2] < 2))
    with pytest.raises(InputError, match="training rows have fewer than two cases of severity severe/critically ill"):
        baselines.baselines(few, tmp_path / "out")
    command = [sys.executable, TRAINING / "baselines.py", "--cohort", tmp_path, "--out", tmp_path / "out"]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith("baselines: ") and "Traceback" not in run.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("task", CLASSES)
def test_rf_and_lgbm_are_those_of_tables_3_and_4(cohort_folder, task):
    train, test = cohort.paper_split(cohort.load(cohort_folder))
    index = list(CLASSES).index(task)
    found = baselines.train_and_predict(train.features, train.labels[:, index], test.features)
    reached = baselines.measures({task: found}, {task: test.labels[:, index]})
    compared = tables.compare("table_4" if task == "severity" else "table_3", reached)
    off = compared.set_index(["model", "measure"]).difference.abs()
    for model in ("RF", "LGBM"):
        assert off[model, "Acc."] < 0.01 and off[model, "AUC"] < 0.01


def test_shipped_model_passes_table_8(cohort_folder):
    _, test = cohort.paper_split(cohort.load(cohort_folder))
    labels = dict(zip(CLASSES, test.labels.T, strict=True))
    found = {task: {"COVID-MTL on features": one} for task, one in baselines.shipped(test.features).items()}
    compared = tables.compare("table_8", baselines.measures(found, labels))
    assert (compared[compared.measure == "AUC"].difference > 0).all()
    card = load_model("features-mtl").card["metrics"]
    np.testing.assert_allclose(compared[compared.measure == "AUC"].reproduced, [card[t]["auc"] for t in CLASSES])
