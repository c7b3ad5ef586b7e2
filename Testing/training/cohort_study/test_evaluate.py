"""Evaluation of predictions of made-up models: tables, figures, and input that it refuses."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from covidmtl_training.evaluation import figures
from covidmtl_training.evaluation.evaluate import compare_pairs, evaluate
from covidmtl_training.evaluation.metrics import expected_calibration_error
from covidmtl_training.evaluation.predictions import CLASSES, Predictions, read, read_all, write
from covidmtl_training.evaluation.significance import delong, mcnemar_test
from covidmtl_training.utils import tables
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.errors import InputError
from sklearn.metrics import roc_auc_score

TRAINING = Path(__file__).parents[3] / "Training"


EFFECTS = {"coin": 0.0, "weak": 0.7, "strong": 2.0}


def made_up(cases, effect, seed):
    severity = np.arange(cases) % 3
    labels = {"covid_ct": (severity > 0).astype(int), "covid_nat": (severity > 1).astype(int), "severity": severity}
    rng, probabilities = np.random.default_rng(seed), {}
    for task, classes in CLASSES.items():
        odds = np.exp(effect * np.eye(len(classes))[labels[task]] + rng.standard_normal((cases, len(classes))))
        probabilities[task] = odds / odds.sum(axis=1, keepdims=True)
    return Predictions(np.arange(cases) + 100, labels, probabilities)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predictions")
    for seed, (name, effect) in enumerate(EFFECTS.items()):
        write(folder / f"{name}.csv", made_up(150, effect, seed))
    return {name: folder / f"{name}.csv" for name in EFFECTS}


def test_predictions_come_back_as_they_were(models):
    given, found = made_up(150, EFFECTS["weak"], 1), read(models["weak"])
    np.testing.assert_array_equal(found.pids, given.pids)
    for task in CLASSES:
        np.testing.assert_array_equal(found.labels[task], given.labels[task])
        np.testing.assert_allclose(found.probabilities[task], given.probabilities[task], rtol=1e-15)


def test_tables_and_figures_repeat_and_hold_what_was_measured(models, tmp_path):
    result = evaluate(models, tmp_path / "first")
    evaluate(models, tmp_path / "second")
    names = {"measures.csv", "measures.md", "pairs.csv", "pairs.md"}
    names |= {f"{figure}.{kind}" for figure in ("roc", "reliability") for kind in ("svg", "png")}
    assert {path.name for path in (tmp_path / "first").iterdir()} == names
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()

    found = read_all(models)
    rows = pd.read_csv(tmp_path / "first" / "measures.csv").set_index(["task", "model"])
    assert len(rows) == 9
    for (task, name), row in rows.iterrows():
        labels, probabilities = found[name].labels[task], found[name].probabilities[task]
        scores = probabilities if task == "severity" else probabilities[:, 1]
        assert row.auc == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
        assert row.ece == pytest.approx(expected_calibration_error(labels, probabilities))
        for column in ("precision", "f1", "accuracy", "auc"):
            assert row[f"{column}_low"] < row[column] < row[f"{column}_high"]
        if task == "severity":
            last = (labels == 2, probabilities[:, 2])
            assert row["auc_severe/critically ill"] == pytest.approx(roc_auc_score(*last))
    row = rows.loc["covid_ct", "weak"]
    cell = f"{row.auc:.3f} ({row.auc_low:.3f}-{row.auc_high:.3f})"
    assert cell in (tmp_path / "first" / "measures.md").read_text()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "first" / "pairs.csv"), result.pairs)


def test_every_pair_is_tested_and_holm_is_over_all_of_them(models):
    found = read_all(models)
    pairs = compare_pairs(found)
    assert len(pairs) == 3 * 3 and not pairs[["task", "first", "second"]].duplicated().any()
    for row in pairs.itertuples():
        labels = found["weak"].labels[row.task]
        both = [found[name].probabilities[row.task] for name in (row.first, row.second)]
        assert row.p_delong == pytest.approx(delong(labels, both).p_value(0, 1))
        assert row.p_mcnemar == pytest.approx(mcnemar_test(labels, *both))
    for test in ("p_delong", "p_mcnemar"):
        order = pairs.sort_values(test)
        stepped = (order[test] * np.arange(9, 0, -1)).cummax().clip(upper=1)
        np.testing.assert_allclose(order[f"{test}_holm"], stepped)
    assert (pairs[pairs.first.eq("coin") & pairs.second.eq("strong")].p_delong_holm < 0.001).all()
    assert compare_pairs({"weak": found["weak"]}).empty


def test_areas_under_the_drawn_curves_are_the_aucs(models):
    found = read_all(models)
    for panel, task in zip(figures.roc(found).axes, CLASSES, strict=True):
        for line, name in zip(panel.lines[1:], found, strict=True):
            labels, probabilities = found[name].labels[task], found[name].probabilities[task]
            x, y = line.get_xdata(), line.get_ydata()
            area = np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)
            assert area == pytest.approx(delong(labels, [probabilities]).values[0], abs=0.005)
            assert line.get_label().endswith(name)


def only(predictions, *tasks):
    by_task = ({task: of[task].copy() for task in tasks} for of in (predictions.labels, predictions.probabilities))
    return Predictions(predictions.pids, *by_task)


def test_models_of_some_tasks_meet_on_labelled_rows_of_those_they_share(tmp_path):
    whole = made_up(150, EFFECTS["weak"], 1)
    whole.labels["severity"][::7] = MISSING
    severity = only(made_up(150, EFFECTS["strong"], 2), "severity")
    severity.labels["severity"][::7] = MISSING
    diagnoses = only(made_up(150, EFFECTS["coin"], 3), "covid_ct", "covid_nat")
    files = {name: tmp_path / f"{name}.csv" for name in ("severity", "whole", "diagnoses")}
    for name, predictions in zip(files, (severity, whole, diagnoses), strict=True):
        write(files[name], predictions)
    np.testing.assert_array_equal(read(files["severity"]).labels["severity"], severity.labels["severity"])

    result = evaluate(files, tmp_path / "out")
    assert not result.left_out
    rows = result.measures.set_index(["task", "model"])
    both = [(task, name) for task in ("covid_ct", "covid_nat") for name in ("whole", "diagnoses")]
    assert list(rows.index) == [*both, ("severity", "severity"), ("severity", "whole")]
    known = whole.labels["severity"] != MISSING
    labels, scores = (of["severity"][known] for of in (whole.labels, whole.probabilities))
    row = rows.loc["severity", "whole"]
    assert row.cases == known.sum() < 150 == rows.loc["covid_ct", "whole"].cases
    assert row.auc == pytest.approx(roc_auc_score(labels, scores, multi_class="ovr"))
    assert row.accuracy == pytest.approx(np.mean(scores.argmax(axis=1) == labels))
    pairs = result.pairs[["task", "first", "second"]].to_numpy().tolist()
    shared = [[task, "whole", "diagnoses"] for task in ("covid_ct", "covid_nat")]
    assert pairs == [*shared, ["severity", "severity", "whole"]]
    figure = figures.roc({"severity": severity})
    assert len(figure.axes) == 1 and figure.axes[0].lines[1].get_label().endswith("severity")

    write(files["severity"], only(made_up(150, EFFECTS["strong"], 2), "severity"))
    with pytest.raises(InputError, match="severity and whole are not of the same patients with the same labels"):
        evaluate(files, tmp_path / "again")
    with pytest.raises(InputError, match="diagnoses are not of severity, and here every task is needed"):
        read_all({"diagnoses": files["diagnoses"]}, needed=CLASSES)


def test_both_diagnoses_together_are_a_task_if_that_is_asked_for(tmp_path):
    """Positive is who is positive by either, by the larger of the two probabilities, as in Table 10."""
    given = made_up(90, EFFECTS["weak"], 3)
    labels = given.labels | {"covid_nat": np.where(np.arange(90) % 5 == 0, MISSING, given.labels["covid_nat"])}
    write(tmp_path / "mine.csv", replace(given, labels=labels))
    found = evaluate({"mine": tmp_path / "mine.csv"}, tmp_path / "out", aggregated=True).measures.set_index("task")
    true = np.maximum(labels["covid_ct"], labels["covid_nat"])
    known = (true == 1) | (labels["covid_nat"] != MISSING)
    positive = np.maximum(given.probabilities["covid_ct"][:, 1], given.probabilities["covid_nat"][:, 1])
    assert found.auc.covid_any == pytest.approx(roc_auc_score(true[known], positive[known]))
    assert found.cases.covid_any == known.sum() < 90
    assert found.accuracy.covid_any == pytest.approx(np.mean((positive[known] > 0.5) == true[known]))
    assert "covid_any" not in evaluate({"mine": tmp_path / "mine.csv"}, tmp_path / "out").measures.task.tolist()
    assert tables.PUBLISHED["table_10"]["covid_any"]["COVID-MTL"]["auc"] == 0.957


def test_own_tasks_and_values_come_back_and_are_measured(tmp_path):
    rng, stages = np.random.default_rng(0), ["early", "late", "none"]
    labels = {"stage": np.arange(30) % 3}
    true, shares = rng.normal(50, 10, 30), rng.dirichlet([1, 1, 1], 30)
    true[4] = np.nan
    said = {"extent": np.nan_to_num(true, nan=50) + 5}
    given = Predictions(np.arange(30), labels, {"stage": shares}, {"stage": stages}, {"extent": true}, said)
    write(tmp_path / "mine.csv", given)
    found = read(tmp_path / "mine.csv")
    assert found.class_names("stage") == stages and list(found.labels) == ["stage"]
    np.testing.assert_array_equal(found.values["extent"], true)
    np.testing.assert_array_equal(found.predicted["extent"], said["extent"])
    result = evaluate({"mine": tmp_path / "mine.csv"}, tmp_path / "out")
    [row] = result.values.to_dict("records")
    assert (row["cases"], row["task"]) == (29, "extent")
    assert row["mae"] == row["bias"] == pytest.approx(5) and row["pearson"] == pytest.approx(1)
    assert result.measures.task.tolist() == ["stage"] and (tmp_path / "out" / "values.svg").is_file()
    write(tmp_path / "other.csv", replace(given, values={"extent": true + 1}))
    with pytest.raises(InputError, match="not of the same patients with the same labels"):
        read_all({"a": tmp_path / "mine.csv", "b": tmp_path / "other.csv"})


def test_tasks_of_too_few_labels_are_left_out_and_named(tmp_path):
    few = made_up(60, EFFECTS["weak"], 1)
    few.labels["severity"][few.labels["severity"] == 2] = MISSING
    few.labels["severity"][2] = 2
    write(tmp_path / "few.csv", few)
    result = evaluate({"few": tmp_path / "few.csv"}, tmp_path / "out")
    assert set(result.measures.task) == {"covid_ct", "covid_nat"}
    assert "needs 2 cases, and here are 20 control/suspected, 20 mild/regular, 1 severe" in result.left_out[0]
    write(tmp_path / "few.csv", only(few, "severity"))
    with pytest.raises(InputError, match="nothing to evaluate: severity is left out"):
        evaluate({"few": tmp_path / "few.csv"}, tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("names", [["007", "7", "NA"], ["3", "1", "20"], ["a,b", "-1", "1.0"]])
def test_names_of_cases_come_back_as_they_were(tmp_path, names):
    given = only(made_up(3, 1, 0), "covid_ct")
    write(tmp_path / "named.csv", Predictions(np.array(names), given.labels, given.probabilities))
    assert read(tmp_path / "named.csv").pids.astype(str).tolist() == names
    read_all({"file": tmp_path / "named.csv", "said": Predictions(np.array(names), given.labels, given.probabilities)})


def test_tables_in_another_order_or_of_the_release_meet_those_of_the_cohort(models, tmp_path):
    """A network trained on the volumes of the release names its cases by it, in an order of its own."""
    table = pd.read_csv(models["weak"]).sample(frac=1, random_state=0)
    table.assign(PID="Patient-" + table.PID.astype(str)).to_csv(tmp_path / "release.csv", index=False)
    expected = read_all({"strong": models["strong"], "weak": models["weak"]})
    said = replace(made_up(150, EFFECTS["weak"], 1), pids=np.array([f"Patient-{pid}" for pid in range(100, 250)]))
    found = read_all({"strong": models["strong"], "release": tmp_path / "release.csv", "said": said})
    for name in ("release", "said"):
        np.testing.assert_array_equal(found[name].pids, expected["strong"].pids)
        for task in CLASSES:
            np.testing.assert_array_equal(found[name].labels[task], expected["weak"].labels[task])
            np.testing.assert_allclose(
                found[name].probabilities[task], expected["weak"].probabilities[task], rtol=1e-15
            )


BROKEN = {
    "lacks 11 columns of a table of predictions, 'PID'": lambda t: t[["covid_ct"]].rename(columns={"covid_ct": "a"}),
    "lacks 1 columns of a table of predictions, 'severity'": lambda t: t.drop(columns="severity"),
    "has a label in covid_nat other than 0 to 1": lambda t: t.assign(covid_nat=2),
    "probabilities of covid_ct that are no numbers": lambda t: t.assign(**{"covid_ct: positive": 0.9}),
    "probabilities of severity that are no numbers": lambda t: t.assign(**{"severity: mild/regular": "high"}),
    "every one with its own PID": lambda t: t.assign(PID=1),
    "not of the same patients with the same labels": lambda t: t[:-1],
    "not of the same patients with the same labels;": lambda t: t.assign(covid_ct=1 - t.covid_ct),
}


@pytest.mark.parametrize("sentence", BROKEN)
def test_bad_predictions_are_refused(models, tmp_path, sentence):
    BROKEN[sentence](pd.read_csv(models["weak"])).to_csv(tmp_path / "broken.csv", index=False)
    with pytest.raises(InputError, match=sentence):
        evaluate(models | {"broken": tmp_path / "broken.csv"}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_command(models, tmp_path):
    command = [sys.executable, str(TRAINING / "evaluate.py"), "--out", str(tmp_path / "out")]
    run = subprocess.run([*command, f"a={models['weak']}", f"b={tmp_path}/b.csv"], capture_output=True, text=True)
    assert run.returncode == 2 and run.stderr.startswith("evaluate: There is no file") and not run.stdout
    assert not (tmp_path / "out").exists()
    run = subprocess.run([*command, f"a={models['weak']}"], capture_output=True, text=True)
    assert run.returncode == 0 and run.stdout.startswith((tmp_path / "out" / "measures.md").read_text())


def test_table_as_markdown():
    table = pd.DataFrame({"model": ["a|b", "c"], "AUC": [0.12345, np.nan], "difference": [-0.0001, -0.5], "n": [3, 4]})
    lines = ["| model | AUC | difference | n |", "| --- | --: | --: | --: |"]
    assert tables.markdown(table).splitlines() == [*lines, "| a\\|b | 0.123 | 0.000 | 3 |", "| c |  | -0.500 | 4 |"]
