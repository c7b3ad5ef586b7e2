"""Results by group of patients, and what missing laboratory values give away."""

import numpy as np
import pandas as pd
import pytest
from covidmtl_training.cohort import cohort
from covidmtl_training.evaluation.limits import limits
from covidmtl_training.evaluation.missing_labs import missing_labs
from covidmtl_training.evaluation.predictions import CLASSES, Predictions, write
from COVIDMTLLib.utils.errors import InputError
from sklearn.metrics import roc_auc_score
from support.data.made_up_cohort import made_up_cohort


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return cohort.load(made_up_cohort(tmp_path_factory.mktemp("cohort")))


def predictions(rows, seed, sharp_for=None):
    """Probabilities that lean to the right class; in the rows ``sharp_for`` strongly."""
    rng = np.random.default_rng(seed)
    labels = dict(zip(CLASSES, rows.labels.T, strict=True))
    probabilities = {}
    for task, known in labels.items():
        scores = rng.normal(size=(len(known), len(CLASSES[task])))
        scores[np.arange(len(known)), known] += 0.5
        if sharp_for is not None:
            scores[np.arange(len(known)), known] += 20 * sharp_for
        odds = np.exp(scores)
        probabilities[task] = odds / odds.sum(axis=1, keepdims=True)
    return Predictions(rows.patients.PID.to_numpy(), labels, probabilities)


def test_groups_are_told_apart(whole, tmp_path):
    """A model that is perfect in one hospital and mediocre in the other."""
    _, test = cohort.paper_split(whole)
    union = (test.patients.Hospital == "HUST-Union Hospital").to_numpy()
    uneven = predictions(test, 1, sharp_for=union)
    write(tmp_path / "uneven.csv", uneven)
    write(tmp_path / "even.csv", predictions(test, 2))
    found = limits(whole, {"uneven": tmp_path / "uneven.csv", "even": tmp_path / "even.csv"}, tmp_path / "out")
    table = found["by_group"].set_index(["task", "group", "model"])
    row = table.loc["covid_ct", "HUST-Union Hospital", "uneven"]
    assert (row.accuracy, row.auc) == (1, 1)
    row = table.loc["covid_ct", "HUST-Liyuan Hospital", "uneven"]
    outside = uneven.labels["covid_ct"][~union], uneven.probabilities["covid_ct"][~union, 1]
    assert row.auc == pytest.approx(roc_auc_score(*outside)) and row.auc_low < row.auc < 1
    assert row.cases == " / ".join(map(str, np.bincount(outside[0])))
    for grouping, rows in found["by_group"].groupby("grouping"):
        totals = rows[(rows.task == "severity") & (rows.model == "even")].cases.str.split(" / ", expand=True)
        assert totals.astype(int).to_numpy().sum() == len(union), grouping
    given_away = found["missing_labs"].set_index(["task", "inputs"])
    assert given_away.cv_auc["covid_nat", "missing values"] < 0.8  # values go missing at random in this cohort
    written = pd.read_csv(tmp_path / "out" / "by_group.csv")
    assert len(written) == len(table) == 3 * 2 * 9
    assert (tmp_path / "out" / "by_group.svg").is_file() and (tmp_path / "out" / "missing_labs.md").is_file()


def test_predictions_of_another_cohort_are_refused(whole, tmp_path):
    _, test = cohort.paper_split(whole)
    other = predictions(test, 0)
    other.labels["severity"][:] = np.roll(other.labels["severity"], 1)
    write(tmp_path / "other.csv", other)
    with pytest.raises(InputError, match="other labels of severity"):
        limits(whole, {"other": tmp_path / "other.csv"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_habit_of_taking_values_is_found(whole):
    """Where a value is taken of the nucleic-acid positive alone, its absence says it all; its numbers say nothing."""
    labs = whole.labs.copy()
    labs.loc[:, "CRP"] = np.where(whole.labels[:, 1] == 1, 13.4, np.nan)
    told = cohort.Cohort(whole.features, whole.labels, whole.patients, labs)
    table = missing_labs(*cohort.paper_split(told)).set_index(["task", "inputs"])
    assert table.cv_auc["covid_nat", "missing values"] > 0.99 < table.test_auc["covid_nat", "missing values"]
    assert table.cv_auc["covid_nat", "age, sex"] < 0.8


def test_values_themselves_are_not_looked_at(whole):
    """Where everything was taken of everyone there is nothing to learn, however telling the values are."""
    labs = pd.DataFrame(
        {f"value of {task}": known.astype(float) for task, known in zip(CLASSES, whole.labels.T, strict=True)}
    )
    told = cohort.Cohort(whole.features, whole.labels, whole.patients, labs)
    table = missing_labs(*cohort.paper_split(told)).set_index("inputs").loc["missing values"]
    assert (table.cv_auc == 0.5).all() and (table.test_auc == 0.5).all()


def test_missing_values_of_the_real_cohort_give_much_away(cohort_folder):
    table = missing_labs(*cohort.paper_split(cohort.load(cohort_folder))).set_index(["task", "inputs"])
    assert table.cv_auc["covid_ct", "missing values"] > 0.85
    assert table.cv_auc["covid_ct", "age, sex"] < 0.7
