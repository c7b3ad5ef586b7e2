"""Training on volumes: exact resume after a kill, many processes, crops and augmentation, models that come out."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from covidmtl_training.data.store import Store, make_store, open_store
from covidmtl_training.engine.batches import QUIET, Samples, finish, schedule
from covidmtl_training.engine.fit import fit
from covidmtl_training.engine.objective import Objective
from covidmtl_training.engine.resolve import resolved
from covidmtl_training.engine.run_state import fingerprint
from covidmtl_training.engine.splits import Fold, choose_rows
from covidmtl_training.evaluation import predictions
from covidmtl_training.evaluation.evaluate import evaluate
from covidmtl_training.evaluation.store_predictions import predict_store
from covidmtl_training.recipes.recipe import PAPER, loss_of, make_network, read_recipe
from COVIDMTLLib.models.store import load_model, load_network
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.errors import InputError

TRAIN = Path(__file__).parents[3] / "Training" / "train.py"

BOX, CASES, TEST = (40, 44, 44), 24, 8

SMALL = [
    "input.box=[40,44,44]",
    "input.start=[4,6,6]",
    "input.size=[32,32,32]",
    "input.mean=150",
    "input.std=300",
    "input.spacing=5",
    "crops.first=[2,2,2]",
    "crops.last=[6,10,10]",
    "crops.step=2",
    "epochs=3",
    "batch_size=4",
    "micro_batch_size=2",
    "precision=32-true",
    "workers=0",
    "optimizer.lr=0.0005",
    "norm_momentum=0.1",
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A store of small cases with some labels missing, the second class of the first task brighter than the first."""
    random = np.random.default_rng(0)
    labels = np.stack([np.arange(CASES) % 2, np.arange(CASES) // 2 % 2, np.arange(CASES) % 3], 1)
    volumes = (random.integers(0, 300, (CASES, *BOX)) + 900 * labels[:, 0, None, None, None]).astype(np.int16)
    labels[:12:3, 1] = labels[1:6, 2] = MISSING
    splits = ["train"] * (CASES - TEST) + ["test"] * TEST
    names = [f"case-{number}" for number in range(CASES)]
    folder = tmp_path_factory.mktemp("store") / "store"
    return make_store(Store(folder, BOX, 5.0, names, splits, labels, random.normal(size=(CASES, 375))), volumes)


def recipe_of(*changes):
    return read_recipe(PAPER, [*SMALL, *changes])


def weights(folder):
    return load_network(folder)[1].state_dict()


def begin(store, recipe, folder):
    """A run in a process of its own."""
    context = multiprocessing.get_context("fork")
    run = context.Process(target=fit, args=(store, recipe, folder), kwargs={"device": "cpu"})
    run.start()
    return run


def test_killed_run_goes_on_to_the_same_weights(small, tmp_path):
    recipe = recipe_of("checkpoint_steps=1", "validation_share=0.25", "watch_test=true", "loss.name=uncertainty")
    began = time.perf_counter()
    whole = fit(small, recipe, tmp_path / "whole", device="cpu")
    step = (time.perf_counter() - began) / 9
    random, checkpoint, seen = np.random.default_rng(), tmp_path / "killed" / "checkpoint.pt", None
    for _ in range(3):  # each at any point of a step, so that some are left however fast they are
        run = begin(small, recipe, tmp_path / "killed")
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == seen:
            assert run.is_alive()
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.7 * step))
        run.kill()
        run.join()
        assert run.exitcode == -signal.SIGKILL
        seen = checkpoint.stat().st_mtime_ns
    run = begin(small, recipe, tmp_path / "killed")
    run.join()
    assert run.exitcode == 0
    for model in ("last", "best"):
        ours, theirs = (weights(tmp_path / name / model) for name in ("whole", "killed"))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours), model
    logs = [pd.read_csv(tmp_path / name / "log.csv").drop(columns="seconds") for name in ("whole", "killed")]
    pd.testing.assert_frame_equal(*logs)
    assert len(whole.log) == 3
    said = [(tmp_path / name / "predictions.csv").read_text() for name in ("whole", "killed")]
    assert said[0] == said[1]


def test_killed_run_with_workers_goes_on_to_the_same_weights(small, tmp_path):
    recipe = recipe_of("checkpoint_steps=1", "epochs=2")
    fit(small, recipe, tmp_path / "whole", device="cpu")
    run = begin(small, recipe | {"workers": 1}, tmp_path / "killed")
    while not (tmp_path / "killed" / "checkpoint.pt").exists():
        assert run.is_alive()
        time.sleep(0.005)
    run.kill()
    run.join()
    assert not (tmp_path / "killed" / "predictions.csv").exists()
    fit(small, recipe | {"workers": 1}, tmp_path / "killed", device="cpu")
    ours, theirs = (weights(tmp_path / name / "last") for name in ("whole", "killed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def first_gradients(store, recipe):
    """Of the first step on the training rows, and in how many parts; without batch statistics, which are of each."""
    torch.manual_seed(0)
    samples, objective = Samples(store, recipe, None), Objective(make_network(recipe), loss_of(recipe)).eval()
    objective.loss.train()
    parts = list(schedule(store.rows("train"), samples.labels, recipe, 1))
    for part in parts:
        objective.start(part, recipe["seed"])
        batch = torch.utils.data.default_collate([samples[int(row)] for row in part.rows])
        objective(finish(batch, recipe), part.shares).total.backward()
    return len(parts), {name: one.grad for name, one in objective.named_parameters()}


@pytest.mark.parametrize("loss", ["random-weighted", "uncertainty"])
def test_parts_of_a_batch_add_up_to_its_gradients(small, loss):
    own = [f"loss={{name: {loss}}}", "network.features=false", f"batch_size={CASES}"]
    (one, whole), (several, added) = (
        first_gradients(small, recipe_of(*own, f"micro_batch_size={size}")) for size in (CASES, 5)
    )
    assert (one, several) == (1, 4)
    for name, gradient in whole.items():
        torch.testing.assert_close(added[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


def test_no_two_random_streams_are_the_same(small):
    """Those of an epoch's order, a sample, a forward pass and the weights of the loss."""
    recipe = recipe_of()
    samples, objective = Samples(small, recipe, None), Objective(make_network(recipe), loss_of(recipe))
    with mock.patch.object(np.random, "default_rng", wraps=np.random.default_rng) as made:
        part = next(schedule(small.rows("train"), samples.labels, recipe, 1))
        _ = samples[0, 0]
        objective.start(part, recipe["seed"])
    seeds = [call.args for call in made.call_args_list]
    assert len({np.random.default_rng(*seed).integers(2**63) for seed in seeds}) == len(seeds) == 4


def test_batches_that_a_network_cannot_take_are_refused(small, tmp_path):
    with pytest.raises(InputError, match="forward passes of 1 of the 16 training cases, and the network needs 2"):
        fit(small, recipe_of("micro_batch_size=1"), tmp_path / "run", device="cpu")


WATCHED_TRAIN = """
import gc, os, runpy, sys
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
destroy = distributed.destroy_process_group

def watched():
    gc.collect()
    print("left:", sum(type(one) is DistributedDataParallel for one in gc.get_objects()))
    destroy()

distributed.destroy_process_group = watched
sys.path.insert(0, os.path.dirname(sys.argv[1]))
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


def test_two_processes_take_the_steps_of_one(small, tmp_path):
    """And leave nothing that keeps the group of processes to its end, which may wait for ever then."""
    own = ["epochs=2", "augmentation.noise=0.5", "watch_test=true"]
    command = [str(TRAIN), str(small.folder), "--config", str(PAPER), "--device", "cpu", "--set"]
    fit(small, recipe_of(*own), tmp_path / "one", device="cpu")
    (tmp_path / "watched.py").write_text(WATCHED_TRAIN)
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(tmp_path / "watched.py")]
    done = subprocess.run(
        [sys.executable, "-m", *launch, *command, *SMALL, *own, "--out", str(tmp_path / "two")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("left: 0\n") == 2, done.stdout
    one, two = (load_network(tmp_path / name / "last")[1] for name in ("one", "two"))
    # Batch statistics are of each part of a batch on a CPU; only what they are counted up to differs.
    for (name, ours), theirs in zip(one.named_parameters(), two.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6, msg=name)
    logs = [pd.read_csv(tmp_path / name / "log.csv") for name in ("one", "two")]
    np.testing.assert_allclose(logs[0].loss, logs[1].loss, rtol=1e-4)
    assert logs[1].test_loss.notna().all() and (tmp_path / "two" / "predictions.csv").is_file()


def test_model_of_a_run_says_in_the_main_job_what_it_said_in_training(small, tmp_path):
    run = fit(small, recipe_of("epochs=8", "watch_test=true", "tasks=[covid_ct]"), tmp_path / "run", device="cpu")
    test = small.rows("test")
    said = predictions.read(tmp_path / "run" / "predictions.csv")
    again = predict_store(tmp_path / "run" / "last", open_store(small.folder), test)
    np.testing.assert_array_equal(said.probabilities["covid_ct"], again.probabilities["covid_ct"])
    probabilities = said.probabilities["covid_ct"]
    loss = -np.log(probabilities[np.arange(TEST), small.labels[test, 0]]).mean()
    assert run.log.test_loss.iloc[-1] == pytest.approx(loss, rel=1e-3)
    assert run.log.test_auc_covid_ct.iloc[-1] == 1
    model = load_model(tmp_path / "run" / "last", "cpu")
    assert model.card["input"]["spacing"] == 5 and model.takes_features and "best" not in os.listdir(run.folder)
    assert (tmp_path / "run" / "tensorboard").is_dir()


def test_run_on_cases_that_have_changed_is_not_gone_on_with(small, tmp_path):
    """Other labels, features or CTs under the same names in the same folder; what no network sees may differ."""
    recipe = recipe_of("epochs=1", "network.features=false", "tasks=[covid_ct,severity]", "micro_batch_size=4")
    rows, folder = choose_rows(small, recipe), tmp_path / "store"
    volumes = [small.volume(row) for row in range(CASES)]

    def known(recipe=recipe, volumes=volumes, **changes):
        made = make_store(replace(small, folder=folder, **changes), volumes)
        return fingerprint(recipe, made, rows, None)

    changed, brighter = small.labels.copy(), [volumes[0] + np.int16(1), *volumes[1:]]
    changed[0] = 1 - changed[0, 0], MISSING, changed[0, 2]
    nat_alone = np.where(np.arange(3) == 1, MISSING, small.labels)
    with_features = recipe_of("micro_batch_size=4")
    assert known() == known(features=-small.features) == known(labels=nat_alone)
    assert len({known(), known(labels=changed), known(volumes=brighter)}) == 3
    assert known(with_features) != known(with_features, features=-small.features)
    known()
    fit(open_store(folder), recipe, tmp_path / "run", device="cpu")
    known(labels=changed)
    with pytest.raises(InputError, match="another recipe or other cases"):
        fit(open_store(folder), recipe, tmp_path / "run", device="cpu")


def test_run_of_something_else_is_not_gone_on_with(small, tmp_path):
    recipe = recipe_of("epochs=1", "network.features=false", "tasks=[severity]", "micro_batch_size=4")
    fit(small, recipe, tmp_path / "run", device="cpu")
    with pytest.raises(InputError, match="a run of another recipe or other cases"):
        fit(small, recipe | {"seed": 1}, tmp_path / "run", device="cpu")
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="damaged; remove it"):
        fit(small, recipe, tmp_path / "run", device="cpu")


def test_run_that_starts_again_leaves_nothing_of_the_one_before(small, tmp_path):
    recipe, out = recipe_of("epochs=1", "validation_share=0.25"), tmp_path / "run"
    fit(small, recipe, out, device="cpu")
    said = (out / "predictions.csv").read_text()
    (out / "checkpoint.pt").unlink()
    for folder in (out, out / "last"):
        (folder / ".covid-mtl-killed.partial").mkdir()
    fit(small, recipe | {"seed": 1, "validation_share": 0.0}, out, device="cpu")
    assert (out / "predictions.csv").read_text() != said and not (out / "best").exists()
    assert yaml.safe_load((out / "recipe.yaml").read_text())["seed"] == 1 and not list(out.rglob("*.partial"))
    (tmp_path / "other" / "last").mkdir(parents=True)
    (tmp_path / "other" / "last" / "of-someone.txt").touch()
    fit(small, recipe, tmp_path / "other", device="cpu")
    assert (tmp_path / "other" / "last" / "of-someone.txt").exists()


def test_best_model_is_chosen_by_the_tasks_that_validation_rows_have_labels_of(small, tmp_path):
    labels, splits = small.labels.copy(), [*["validation"] * 4, *small.splits[4:]]
    labels[:4, 2] = MISSING
    run = fit(replace(small, labels=labels, splits=splits), recipe_of("epochs=1"), tmp_path / "run", device="cpu")
    row = run.log.iloc[0]
    assert row.validation_loss == pytest.approx((row.validation_loss_covid_ct + row.validation_loss_covid_nat) / 2)
    assert np.isnan(row.validation_loss_severity) and (run.folder / "best" / "model.json").is_file()


@pytest.mark.parametrize(("batch_size", "micro", "processes", "steps"), [(5, 2, 1, 5), (4, 1, 1, 6), (10, 3, 2, 3)])
def test_every_case_is_seen_once_an_epoch_and_parts_are_of_their_batch(batch_size, micro, processes, steps):
    recipe = recipe_of(f"batch_size={batch_size}", f"micro_batch_size={micro}")
    rows, labels = np.arange(100, 123), torch.zeros(123, 3, dtype=torch.int64)
    labels[100:120:2, 1] = labels[:, 2] = MISSING
    parts = list(schedule(rows, labels, recipe, 3, processes=processes))
    for epoch in range(3):
        seen = np.concatenate([part.rows for part in parts if part.epoch == epoch])
        np.testing.assert_array_equal(np.sort(seen), rows)
    for step in {part.step for part in parts}:
        of_step = [part for part in parts if part.step == step]
        assert [part.number for part in of_step] == list(range(of_step[0].of)) and of_step[0].of % processes == 0
        assert 0 < min(len(part.rows) for part in of_step) <= max(len(part.rows) for part in of_step) <= micro
        cases = np.concatenate([part.rows for part in of_step])
        assert len(cases) <= batch_size
        for part in of_step:
            known = [np.isin(part.rows, np.flatnonzero(of_task != MISSING)).sum() for of_task in labels.T]
            whole = [np.isin(cases, np.flatnonzero(of_task != MISSING)).sum() for of_task in labels.T]
            assert part.shares.tolist() == pytest.approx([known[0] / whole[0], known[1] / max(whole[1], 1), 0])
    assert len({part.step for part in parts}) == 3 * steps
    later = list(schedule(rows, labels, recipe, 3, 7, processes))
    assert [part.step for part in later] == [part.step for part in parts if part.step >= 7]
    assert all((a.rows == b.rows).all() for a, b in zip(later, parts[-len(later) :], strict=True))


def test_crops_and_augmentation_are_those_of_section_5_1(tmp_path):
    box = (12, 14, 14)
    # A voxel's value is its place, so that where a crop comes from can be read off it.
    volume = np.arange(np.prod(box), dtype=np.int16).reshape(box)
    store = make_store(
        Store(tmp_path / "store", box, 5.0, ["a"], ["train"], np.zeros((1, 3), int), np.zeros((1, 375))), [volume]
    )
    recipe = recipe_of()
    recipe["input"] |= {"box": list(box), "start": [2, 2, 2], "size": [8, 8, 8], "clip": 2000}
    recipe["crops"] = {"first": [0, 2, 4], "last": [4, 6, 6], "step": 2}
    recipe["augmentation"] |= {"noise": 0.2, "noise_std": 0.1, "turn": 0.25, "flip": 1 / 7}
    samples = Samples(store, recipe, None)
    np.testing.assert_array_equal(samples[0]["volume"][0], volume[2:10, 2:10, 2:10])
    starts, turned, flipped, noisy, count = set(), 0, 0, 0, 1500
    for epoch in range(count):
        sample = samples[epoch, 0]
        found = sample["volume"][0].numpy()
        noisy += sample["noise"].item() != QUIET
        upright = [np.rot90(found, k, (1, 2)) for k in range(4)]
        turns, flip, back = next(
            (k, f, one)
            for k, turn in enumerate(upright)
            for f, one in ((0, turn), (1, turn[:, :, ::-1]))
            if (np.diff(one, axis=2) == 1).all() and (np.diff(one, axis=1) == box[2]).all()
        )
        turned, flipped = turned + (turns > 0), flipped + flip
        starts.add(tuple(map(int, np.unravel_index(back[0, 0, 0], box))))
    assert starts == {(z, y, x) for z in (0, 2, 4) for y in (2, 4, 6) for x in (4, 6)}
    for found, chance in ((noisy, 0.2), (turned, 0.25), (flipped, 1 / 7)):
        assert found / count == pytest.approx(chance, abs=4 * (chance * (1 - chance) / count) ** 0.5)
    again = samples[3, 0]
    assert torch.equal(again["volume"], samples[3, 0]["volume"]) and again["noise"] == samples[3, 0]["noise"]


def test_volumes_are_clipped_normalised_and_noisy_where_they_should_be():
    recipe = recipe_of("input.clip=2000", "input.mean=100", "input.std=50", "augmentation.noise_std=0.5")
    volume = torch.full((2, 1, 32, 32, 32), 4095, dtype=torch.int16)
    batch = finish({"volume": volume, "noise": torch.tensor([QUIET, 7]), "labels": torch.zeros(2, 1)}, recipe)
    assert (batch["volume"][0] == 38).all()
    noise = batch["volume"][1] - 38
    assert noise.std().item() == pytest.approx(0.5, rel=0.05) and abs(noise.mean().item()) < 0.02
    assert "noise" not in batch and batch["volume"].dtype == torch.float32


def test_rows_of_folds_part_the_training_rows(small):
    recipe = recipe_of()
    train = set(small.rows("train"))
    folds = [choose_rows(small, recipe, Fold(number, 4)) for number in (1, 2, 3, 4)]
    assert sorted(row for fold in folds for row in fold.validation) == sorted(train)
    assert all(set(fold.train) == train - set(fold.validation) for fold in folds)
    assert all(set(fold.test) == set(small.rows("test")) for fold in folds)
    with pytest.raises(InputError, match="no fold 5 of 4"):
        choose_rows(small, recipe, Fold(5, 4))


def test_folds_together_say_something_of_every_training_case(small, tmp_path):
    recipe, tables = recipe_of("epochs=1", "network.features=false"), []
    for number in (1, 2):
        fit(small, recipe, tmp_path / str(number), fold=Fold(number, 2), device="cpu")
        held_out = predictions.read(tmp_path / str(number) / "validation.csv")
        rows = choose_rows(small, recipe, Fold(number, 2)).validation
        assert held_out.pids.tolist() == [small.cases[row] for row in rows]
        again = predict_store(tmp_path / str(number) / "last", small, rows)
        np.testing.assert_array_equal(held_out.probabilities["severity"], again.probabilities["severity"])
        tables.append((tmp_path / str(number) / "validation.csv").read_text().splitlines())
    # As awk joins them in Training/README.md.
    (tmp_path / "folds.csv").write_text("\n".join([*tables[0], *tables[1][1:]]))
    assert evaluate({"all": tmp_path / "folds.csv"}, tmp_path / "out").measures.cases.tolist() == [16, 12, 11]


@pytest.mark.parametrize("share", [0.25, 0.3, 0.7])
def test_single_case_of_a_rare_kind_keeps_no_rows_from_being_held_out(small, share):
    labels = np.stack([np.arange(CASES) % 2] * 3, 1)
    labels[0] = 1, 0, 2
    rows = choose_rows(replace(small, labels=labels), recipe_of(f"validation_share={share}"))
    assert len(rows.validation) == pytest.approx((CASES - TEST) * share, abs=1)
    assert len(set(labels[rows.validation, 0])) == len(set(labels[rows.train, 0])) == 2


def test_cases_without_labels_or_features_are_left_out_and_it_is_said(tmp_path):
    labels = np.array([[0, MISSING, 0], [1, 0, 1], [MISSING, 1, 2], [0, 1, MISSING], [MISSING] * 3, [1, 0, 0]])
    features = np.zeros((6, 375))
    features[3] = np.nan
    volumes = np.zeros((6, 32, 32, 32), np.int16)
    names = [f"case-{number}" for number in range(6)]
    store = make_store(Store(tmp_path / "s", (32,) * 3, 1.0, names, ["train"] * 6, labels, features), volumes)
    rows = choose_rows(store, recipe_of())
    assert rows.train.tolist() == [0, 1, 2, 5] and len(rows.left_out) == 2
    assert choose_rows(store, recipe_of("network.features=false")).train.tolist() == [0, 1, 2, 3, 5]
    assert choose_rows(store, recipe_of("tasks=[covid_nat]")).train.tolist() == [1, 2, 5]
    only = store.labels.copy()
    only[:, 2] = np.where(only[:, 2] == MISSING, MISSING, 0)
    other = make_store(Store(tmp_path / "t", (32,) * 3, 1.0, names, ["train"] * 6, only, features), volumes)
    with pytest.raises(InputError, match="no two classes of severity"):
        choose_rows(other, recipe_of())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("epochs", "not of the form KEY=VALUE"),
        ("epoch=3", "has no epoch"),
        ("epochs=many", "epochs of a recipe cannot be 'many'"),
        ("epochs=0", "epochs of a recipe cannot be 0"),
        ("tasks=[mood]", "tasks of a recipe is a list"),
        ("network=3", "has settings by name"),
        ("network.backbone=vgg", "no backbone vgg"),
        ("network.shift.speed=3", "Shift3D cannot have the options"),
        ("network.backbone=resnet3d34", "cannot take crops of this size"),
        ("network.architecture=single-task", "sees no features"),
        ("loss.name=sum", "no loss sum"),
        ("loss.alpha=-1", "must be positive"),
        ("crops.last=[10,12,12]", "leaves the box"),
        ("crops.step=3", "do not meet last"),
        ("input.size=[32,32,34]", "Quarter turns"),
        ("optimizer.speed=3", "optimizer sgd has no speed"),
        ("optimizer.lr=fast", "cannot have these options"),
        ("schedule.name=wave", "no schedule wave"),
        ("scaling.name=log", "no scaling log"),
        ("tasks=[{name: stage}]", "Give the classes of the task stage"),
        ("tasks=[{name: stage, classes: [a]}]", "two classes or more"),
        ("tasks=[{name: ../stage, unit: ml}]", "can be that of a file"),
        ("tasks=[{name: extent, unit: ml, loss: cubic}]", "one of huber, l1, mse"),
        ("tasks=[covid_ct, covid_ct]", "Two tasks of the recipe are called covid_ct"),
        ("precision=8-bit", "no precision 8-bit"),
        ("augmentation.noise=2", "noise of a recipe cannot be 2"),
        ("epochs=[", "no YAML"),
    ],
)
def test_recipe_that_cannot_be_is_one_sentence(change, sentence):
    with pytest.raises(InputError, match=re.escape(sentence)):
        recipe_of(change)


def test_numbers_sizes_and_batches_can_be_given_alone():
    """1e-3 is a number, as in YAML 1.2; a crop of another size stays in the middle; parts are of batches at most."""
    recipe = read_recipe(PAPER, ["optimizer.lr=1e-3", "batch_size=4", "input.size=[160,200,200]", "precision=32-true"])
    assert recipe["optimizer"]["lr"] == 0.001 and recipe["optimizer"]["momentum"] == 0.9
    assert recipe["micro_batch_size"] == recipe["batch_size"] == 4
    assert recipe["input"]["start"] == [90, 95, 95]
    assert (recipe["crops"]["first"], recipe["crops"]["last"]) == ([70, 45, 45], [120, 105, 105])
    assert read_recipe()["input"]["start"] == [70, 70, 70] and read_recipe()["crops"]["last"] == [100, 80, 80]


def test_what_a_recipe_leaves_to_the_training_rows_comes_from_them_alone(small):
    recipe = recipe_of("input.mean=null", "input.std=null")
    rows = small.rows("train")
    found = resolved(recipe, small, rows)["input"]
    volumes = np.array([small.volume(row) for row in rows], float)
    assert found["mean"] == pytest.approx(volumes.mean(), rel=1e-6) != small.volume(CASES - 1).mean()
    assert found["std"] == pytest.approx(volumes.std(axis=(1, 2, 3)).mean(), rel=1e-6)
    assert recipe["input"]["mean"] is None and resolved(recipe_of(), small, rows)["input"]["mean"] == 150


def test_store_without_features_is_told_from_one_without_labels(small):
    with pytest.raises(InputError, match="No training case of .* has lung features, which this network takes; prepare"):
        choose_rows(replace(small, features=np.full_like(small.features, np.nan)), recipe_of())


@pytest.mark.parametrize("wrong", ["a store", "a key", "a value"])
def test_what_is_wrong_is_told_before_anything_slow_is_imported(small, tmp_path, wrong):
    """Such as PyTorch, MONAI, Lightning and TensorBoard, which took 12 s."""
    given = {"a store": "epochs=1", "a key": "epoch=1", "a value": "epochs=many"}[wrong]
    folder = tmp_path if wrong == "a store" else small.folder
    command = [str(TRAIN), str(folder), "--out", str(tmp_path / "run"), "--set", given]
    code = f"import runpy, sys; sys.argv = {command!r}\ntry:\n    runpy.run_path(sys.argv[0], run_name='__main__')\n"
    code += "finally:\n    print([one for one in ('torch', 'monai', 'lightning_fabric') if one in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=TRAIN.parent)
    assert done.returncode == 2 and done.stderr.startswith("train: "), done.stderr
    assert done.stdout.strip() == "[]"


def test_moving_average_is_the_model_and_goes_on_exactly(small, tmp_path):
    own = ["optimizer={name: adamw, lr: 1e-3}", "schedule={name: warmup-cosine, warmup: 1}", "ema=0.5", "epochs=2"]
    fit(small, recipe_of(*own), tmp_path / "run", device="cpu")
    checkpoint = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    ours = weights(tmp_path / "run" / "last")
    name = "heads.0.classify.weight"
    assert torch.equal(ours[name], checkpoint["average"][f"module.{name}"])
    assert not torch.equal(ours[name], checkpoint["objective"][f"network.{name}"])
    halves = [recipe_of(*own, "checkpoint_steps=1"), tmp_path / "killed"]
    run = begin(small, *halves)
    while not (tmp_path / "killed" / "checkpoint.pt").exists():
        assert run.is_alive()
        time.sleep(0.005)
    run.kill()
    run.join()
    fit(small, *halves, device="cpu")
    again = weights(tmp_path / "killed" / "last")
    assert all(torch.equal(ours[name], again[name]) for name in ours)


def test_command_line_says_what_is_wrong(small, tmp_path):
    command = [sys.executable, TRAIN, small.folder, "--out", tmp_path / "run", "--device", "cpu", "--set", *SMALL]
    done = subprocess.run([*map(str, command), "precision=16-mixed"], capture_output=True, text=True)
    said = done.stderr.strip().splitlines()[-1]
    assert (done.returncode, said[:7]) == (2, "train: ") and "half precision" in said
    with pytest.raises(InputError, match=re.escape("The store has boxes of [40, 44, 44] voxels")):
        fit(small, read_recipe(PAPER, ["precision=32-true"]), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()
