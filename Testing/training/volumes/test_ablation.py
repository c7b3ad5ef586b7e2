"""The ablation study: which runs it takes, what it makes of their logs, and a small one from beginning to end."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from covidmtl_training.ablation import runs as ablation_runs
from covidmtl_training.ablation.config import SETTINGS, read_config
from covidmtl_training.ablation.effects import effects, sentence, verdict
from covidmtl_training.ablation.plan import ALL_TASKS, FIGURES, Cell, cells_of, plan
from covidmtl_training.ablation.runs import Study
from covidmtl_training.ablation.study import ablation, main
from covidmtl_training.data.store import Store, make_store, open_store
from covidmtl_training.evaluation.predictions import CLASSES, Predictions, read, write
from covidmtl_training.recipes.recipe import PAPER, read_recipe
from COVIDMTLLib.utils.errors import InputError
from scipy.stats import ttest_rel
from sklearn.metrics import roc_auc_score

TRAINING = Path(__file__).parents[3] / "Training"


PHANTOMS = TRAINING / "recipes" / "phantoms.yaml"
EPOCHS, CASES = 20, 90
BOX = (36, 36, 36)

SMALL = (
    *("input.box=[36,36,36]", "input.start=[2,2,2]", "input.size=[32,32,32]", "input.mean=150", "input.std=300"),
    *("crops.first=[1,1,1]", "crops.last=[3,3,3]", "crops.step=1", "input.spacing=5", "batch_size=6"),
    *("micro_batch_size=6", "epochs=2", "precision=32-true", "workers=0", "optimizer.lr=0.0005"),
)
"""The paper's recipe, made small."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Twelve cases to train on and six to test, the sicker the brighter."""
    random, severity = np.random.default_rng(0), np.arange(18) % 3
    labels = np.stack([severity > 0, severity > 1, severity], axis=1).astype(int)
    volumes = (random.integers(0, 300, (18, *BOX)) + 500 * severity[:, None, None, None]).astype(np.int16)
    splits, names = ["train"] * 12 + ["test"] * 6, [f"case-{number}" for number in range(18)]
    folder = tmp_path_factory.mktemp("stores") / "store"
    return make_store(Store(folder, BOX, 5.0, names, splits, labels, np.full((18, 375), np.nan)), volumes).folder


def study_of(store, out, changes=(), base=PHANTOMS, **settings):
    return Study({"refined": store, "initial": store}, read_config(SETTINGS) | settings, base, tuple(changes), out)


def make_up(study, comparisons, gain):
    """Finished runs whose losses fall the sooner, and whose predictions are the better, the more a cell gains."""
    severity = np.arange(CASES) % 3
    truth = {"covid_ct": (severity > 0).astype(int), "covid_nat": (severity > 1).astype(int), "severity": severity}
    names, epochs = np.array([f"case-{number}" for number in range(CASES)]), np.arange(1, EPOCHS + 1)
    runs = [run for cell in cells_of(comparisons) for run in study.runs(cell)]
    for run in runs:
        random = np.random.default_rng([run.seed, *run.cell.name.encode()])
        folder, strength = study.folder(run), 1 + gain(run.cell)
        folder.mkdir(parents=True)
        log, probabilities = {"epoch": epochs}, {}
        for task in run.cell.tasks:
            loss = 0.5 + 0.4 * np.exp(-epochs * strength / 6) + 0.01 * random.standard_normal(EPOCHS)
            log |= {f"test_loss_{task}": loss, f"test_auc_{task}": 1.2 - loss, f"test_accuracy_{task}": 1.1 - loss}
            shared = np.random.default_rng([run.seed, len(task)]).standard_normal((CASES, len(CLASSES[task])))
            noise = shared + 0.1 * random.standard_normal(shared.shape)
            odds = np.exp(strength * np.eye(len(CLASSES[task]))[truth[task]] + noise)
            probabilities[task] = odds / odds.sum(axis=1, keepdims=True)
        log["test_loss"] = np.mean([log[f"test_loss_{task}"] for task in run.cell.tasks], axis=0)
        pd.DataFrame(log).to_csv(folder / "log.csv", index=False)
        write(folder / "predictions.csv", Predictions(names, {t: truth[t] for t in run.cell.tasks}, probabilities))
    for run, recipe in ablation_runs._recipes(study, cells_of(comparisons)).items():
        known = ablation_runs._known(study, run, recipe)
        (study.folder(run) / "finished.json").write_text(json.dumps(known), encoding="utf-8")


def test_plan_has_every_network_of_the_paper_once(tmp_path, store):
    study = study_of(store, tmp_path)
    cells = cells_of(plan(FIGURES, study.config))
    assert len({cell.name for cell in cells}) == len(cells) == 30
    by_figure = {name: set(cells_of(plan([name], study.config))) for name in FIGURES}
    assert {name: len(of_figure) for name, of_figure in by_figure.items()} == {
        "fig_4": 8,
        "fig_9": 6,
        "fig_10": 4,
        "table_6": 18,
        "table_7": 6,
    }
    both = by_figure["fig_4"] & by_figure["table_6"] & by_figure["table_7"]
    assert both == {Cell((task,), "squeezenet3d") for task in ALL_TASKS}  # ShiftNet3D
    assert Cell(ALL_TASKS, "squeezenet3d", "uniform", "random-weighted") in (
        by_figure["fig_4"] & by_figure["fig_9"] & by_figure["fig_10"]
    )
    for cell in cells:
        recipe = read_recipe(PHANTOMS, study.settings(study.runs(cell)[1]))
        assert recipe["tasks"] == list(cell.tasks) and recipe["network"]["backbone"] == cell.backbone
        assert recipe["seed"] == 1 and recipe["watch_test"] and not recipe["network"]["features"]
        assert recipe["loss"]["name"] == cell.loss
        shift = recipe["network"]["shift"]
        assert (
            shift is None if cell.shift == "none" else shift["distribution"] == cell.shift and shift["chance"] == 0.25
        )
        assert recipe["epochs"] == (50 if cell.parent else read_recipe(PHANTOMS)["epochs"])
    order = [cells.index(cell.parent) < cells.index(cell) for cell in cells if cell.parent]
    assert len(order) == 2 and all(order)


def test_differences_are_those_of_the_logs_and_predictions(tmp_path, store):
    study = study_of(store, tmp_path)
    comparisons = plan(["fig_9"], study.config)
    make_up(study, comparisons, lambda cell: 0.6 * (cell.shift == "uniform"))
    found = effects(study, comparisons)
    rows = found.set_index(["what", "where", "measure"])

    def of_runs(loss, shift, of_run):
        cell = Cell(ALL_TASKS, "squeezenet3d", shift, loss)
        return np.array([of_run(study.folder(run)) for run in study.runs(cell)])

    def loss_mean(folder):
        return pd.read_csv(folder / "log.csv").test_loss.clip(upper=(2 * np.log(2) + np.log(3)) / 3).mean()

    def severity(folder):
        said = read(folder / "predictions.csv")
        return roc_auc_score(said.labels["severity"], said.probabilities["severity"], multi_class="ovr")

    for measure, of_run in (("loss_mean", loss_mean), ("auc_severity", severity)):
        row = rows.loc["Shift3D", "random-weighted loss", measure]
        pair = [of_runs("random-weighted", shift, of_run) for shift in ("uniform", "none")]
        np.testing.assert_allclose(row.by_seed, pair[0] - pair[1])
        expected = ttest_rel(*pair).confidence_interval()
        np.testing.assert_allclose([row.low, row.high, row.changed], [*expected, pair[0].mean()])
    three = [rows.loc["Shift3D", f"{loss} loss", "auc"].by_seed for loss in study.config["losses"]]
    np.testing.assert_allclose(rows.loc["Shift3D", "mean over the 3 losses", "auc"].by_seed, np.mean(three, axis=0))

    told = found.set_index(["what", "where"], drop=False)
    shift = told.loc[[("Shift3D", "mean over the 3 losses")]].set_index("measure", drop=False)
    assert {name: verdict(shift.loc[name]) for name in ("auc", "loss_mean", "epochs", "loss_jumps")} == {
        "auc": "higher",
        "loss_mean": "lower",
        "epochs": "fewer",
        "loss_jumps": "no difference shown",
    }
    assert sentence(shift.loc["auc"]).startswith(f"test AUC {shift.loc['auc'].difference:+.3f} (95 % +0.")
    other = told.loc[[("random-weighted instead of mean loss", "mean over with and without Shift3D")]]
    assert verdict(other.set_index("measure", drop=False).loc["auc"]) == "no difference shown"


def test_epochs_until_a_level_that_all_reach(tmp_path, store):
    study = study_of(store, tmp_path, seeds=[0])
    comparisons = plan(["fig_9"], study.config)
    make_up(study, comparisons, lambda cell: 0)
    for cell in cells_of(comparisons):
        losses = [0.9, 0.5, 0.3, 0.2] if cell.shift == "uniform" else [1.0, 0.8, 0.6, 0.4]
        pd.DataFrame({"test_loss": losses}).to_csv(study.folder(study.runs(cell)[0]) / "log.csv", index=False)
    row = effects(study, comparisons[:1]).set_index("measure", drop=False).loc["epochs"]
    assert row.against == 4 and row.changed == pytest.approx(2.5) and np.isnan(row.low)
    assert verdict(row) == "no difference shown" and "1 seed, no interval" in sentence(row)


def test_all_figures_and_tables_of_finished_runs(tmp_path, store):
    """Nothing is trained: runs of 64 x 80 x 80 would not end, and the store has another box."""
    study = study_of(store, tmp_path, seeds=[3, 5], models={"ShiftNet3D": ["squeezenet3d", "uniform"]})
    make_up(study, plan(FIGURES, study.config), lambda cell: 0.6 * (cell.shift == "uniform"))
    short = ablation(study, list(FIGURES))
    names = {f"{figure}.{kind}" for figure in FIGURES for kind in ("svg", "png")}
    names |= {f"{table}.{kind}" for table in ("table_6", "table_7", "differences") for kind in ("csv", "md")}
    assert {path.name for path in tmp_path.iterdir()} == names | {"ablation.md", "runs"}
    text = (tmp_path / "ablation.md").read_text(encoding="utf-8")
    epochs = read_recipe(PHANTOMS)["epochs"]
    assert short in text and f"42 runs of {epochs} epochs" in text
    assert "**Shift3D** (mean over the 3 losses, 2 seeds)" in short
    compared = pd.read_csv(tmp_path / "table_6.csv").set_index(["table", "task", "model", "measure"])
    assert len(compared) == 2 * 3 * 5
    assert compared.loc["table_6", "severity", "ShiftNet3D", "AUC"].published == 0.781
    assert compared.loc["table_4", "severity", "ShiftNet3D", "AUC"].published == 0.794


def test_small_study_from_beginning_to_end(tmp_path, store):
    settings = {"seeds": [0, 1], "transfer_epochs": 1}
    study = study_of(store, tmp_path / "out", SMALL, PAPER, **settings)
    short = ablation(study, ["fig_10"], jobs=2)
    assert "**Shift3D** (kept in transfer to severity, 2 seeds): test AUC" in short
    weights = sorted((tmp_path / "out" / "runs").glob("*/*/last/model.safetensors"))
    assert len(weights) == 2 * 4
    times = [path.stat().st_mtime_ns for path in weights]
    (tmp_path / "out" / "ablation.md").unlink()
    assert ablation(study, ["fig_10"]) == short
    assert short in (tmp_path / "out" / "ablation.md").read_text(encoding="utf-8")
    assert [path.stat().st_mtime_ns for path in weights] == times
    remade = open_store(shutil.copytree(store, tmp_path / "remade"))
    assert study_of(remade.folder, tmp_path).cases == study.cases
    volumes = [remade.volume(row) + np.int16(row == 0) for row in range(len(remade.cases))]
    make_store(remade, volumes)
    assert study_of(remade.folder, tmp_path).cases != study.cases
    other = study_of(store, tmp_path / "out", [*SMALL, "optimizer.lr=0.01"], PAPER, **settings)
    with pytest.raises(InputError, match="seed 0 failed: .* holds a run of another recipe or other cases"):
        ablation(other, ["fig_10"])


def test_what_cannot_be_is_said_in_a_sentence(tmp_path, store, monkeypatch, capsys):
    command = ["ablation", "--store", str(store), "--out", str(tmp_path / "out"), "--base", str(PHANTOMS)]
    monkeypatch.setattr(sys, "argv", [*command, "--only", "table_6"])
    assert main() == 2 and capsys.readouterr().err.startswith("ablation: Table 6 needs the same cases")
    # ResNet3D-34 needs 64 voxels each way.
    monkeypatch.setattr(sys, "argv", [*command, "--initial-store", str(store), "--set", *SMALL])
    assert main() == 2 and "The network cannot take crops of this size" in capsys.readouterr().err
    (tmp_path / "own.yaml").write_text("seed: 3")
    with pytest.raises(InputError, match="own.yaml has seed: 3, which is no setting"):
        read_config(tmp_path / "own.yaml")
    assert not (tmp_path / "out").exists()
