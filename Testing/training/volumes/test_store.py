"""Preparing cases for training: what is stored is what the main job sees, whole, in parallel and after any stop."""

import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import heed_interrupts, write
from covidmtl_training.data.case_table import Case, read_case_table
from covidmtl_training.data.case_volume import Settings
from covidmtl_training.data.prepare import main, prepare
from covidmtl_training.data.store import Store, make_store, open_store
from COVIDMTLLib.features.extraction import lung_features
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.imaging.lung_crop import Crop
from COVIDMTLLib.imaging.lung_crop import prepare as as_assessed
from COVIDMTLLib.imaging.volume import to_working_grid
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.phantom import thorax
from COVIDMTLLib.segmentation.methods import mask_on, segment
from COVIDMTLLib.utils.errors import InputError

TRAINING = Path(__file__).parents[3] / "Training"


NORMAL = {"clip": 2000, "mean": 16.71, "std": 85.17}
COARSE = Settings((36, 25, 39), 10.0)
"""A box larger, smaller and smaller than the coarse thorax, 35 x 30 x 40 voxels."""


@pytest.fixture(scope="module")
def coarse():
    """A whole thorax in voxels of 10 mm."""
    return thorax(1, ground_glass=0.1, spacing=(10.0, 10.0, 10.0))


@pytest.fixture(scope="module")
def table(coarse, tmp_path_factory):
    """A table of cases, two of which cannot be used, and the features of one."""
    folder = tmp_path_factory.mktemp("table")
    (folder / "ct").mkdir()
    write(coarse.lungs, folder / "lungs.nrrd")
    write(coarse.ct.with_array(np.where(coarse.lungs.array > 0, coarse.ct.array + 1024, 0)), folder / "volume.nrrd")
    rows = ["case,covid_ct,covid_nat,severity,split,ct,lungs,volume,note"]
    for index in range(5):
        write(coarse.ct.with_array(coarse.ct.array + np.int16(index)), folder / "ct" / f"{index}.nrrd")
        rows.append(
            f"case-{index},{index % 2},,{index % 3}.0,{'test' if index == 3 else ''},ct/{index}.nrrd,lungs.nrrd,,"
        )
    rows += ["finished,,,,validation,,,volume.nrrd,a volume", "gone,1,1,1,,gone.nrrd,lungs.nrrd,,"]
    (folder / "noise.nrrd").write_bytes(b"NRRD0004 and nothing more")
    rows.append("broken,1,1,1,,noise.nrrd,lungs.nrrd,,")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    features = pd.DataFrame([np.arange(375) / 7], columns=list(FEATURE_NAMES), index=pd.Index(["case-1"], name="case"))
    features.to_csv(folder / "features.csv.gz")
    return folder / "cases.csv"


OPTIONS = ["--box", *map(str, COARSE.box), "--spacing", str(COARSE.spacing)]


def command(*arguments):
    return [sys.executable, str(TRAINING / "prepare.py"), *map(str, arguments), *OPTIONS]


def files_of(store):
    return {path.name: path.stat().st_mtime_ns for path in (store / "volumes").iterdir()}


def test_networks_train_on_what_they_are_given_later(phantom, phantom_ct, tmp_path):
    """A crop of the store is that of `lung_crop.prepare`, to the last bit, also where the box cuts the CT."""
    ct = to_working_grid(phantom.ct)
    labels = write(phantom.lungs, tmp_path / "lungs.nrrd")
    cases = [Case("given", ct=phantom_ct, lungs=labels), Case("found", ct=phantom_ct)]
    found = {"given": mask_on(phantom.lungs, ct).array, "found": segment(ct, "classical").array}
    box = (ct.array.shape[0] + 31, ct.array.shape[1] - 6, ct.array.shape[2] - 7)
    assert not prepare(cases, tmp_path / "store", Settings(box, method="classical", compute_features=False))
    store = open_store(tmp_path / "store")
    for row, case in enumerate(store.cases):
        for start in [(0, 0, 0), (13, 2, 41)]:
            crop = store.volume(row, start, (120, 130, 97))
            assert crop.dtype == np.int16 and np.count_nonzero(crop)
            wanted = as_assessed(ct, found[case], Crop(box=box, start=start, size=crop.shape, **NORMAL)).array
            volume = np.minimum(crop, NORMAL["clip"]).astype(np.float32)
            np.testing.assert_array_equal((volume - np.float32(NORMAL["mean"])) / np.float32(NORMAL["std"]), wanted)


def test_other_spacing_is_as_assessed_and_what_has_it_is_not_resampled(coarse, phantom, phantom_ct, tmp_path):
    ct, lungs = write(coarse.ct, tmp_path / "ct.nrrd"), write(coarse.lungs, tmp_path / "lungs.nrrd")
    fine = Case("fine", ct=phantom_ct, lungs=write(phantom.lungs, tmp_path / "fine.nrrd"), features=np.ones(375))
    box = tuple(n + 3 for n in coarse.ct.array.shape)
    assert not prepare(
        [fine, Case("coarse", ct=ct, lungs=lungs)], tmp_path / "store", Settings(box, 10.0, compute_features=True)
    )
    store = open_store(tmp_path / "store")

    working = to_working_grid(phantom.ct)
    whole = {"box": box, "start": (0, 0, 0), "size": box, "clip": 9999, "mean": 0, "std": 1, "spacing": 10.0}
    wanted = as_assessed(working, mask_on(phantom.lungs, working).array, Crop(**whole))
    np.testing.assert_array_equal(store.volume(0), wanted.array)

    values = np.where(coarse.lungs.array > 0, np.maximum(coarse.ct.array + 1024, 0), 0)
    np.testing.assert_array_equal(store.volume(1, (1, 1, 1), values.shape), values)
    assert store.features[1].tolist() == list(lung_features(coarse.ct, coarse.lungs.array).values())


def test_a_table_becomes_a_store(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", command(table, "--out", tmp_path / "store")[1:])
    assert main() == 1
    said = capsys.readouterr()
    assert "\ncases" not in said.err[said.err.index("2 of 8 cases could not be used:\n  gone: There is no file") :]
    assert "6 cases: 4 train, 1 validation, 1 test" in said.out and "severity 5" in said.out
    store = open_store(tmp_path / "store")
    assert list(pd.read_csv(store.folder / "failed.csv").case) == ["gone", "broken"]
    assert store.cases[-1] == "finished" and list(store.rows("test")) == [3] and list(store.rows("validation")) == [5]
    assert store.labels[4].tolist() == [0, MISSING, 1] and (store.labels[5] == MISSING).all()
    np.testing.assert_array_equal(store.features[1], np.arange(375) / 7)
    assert np.isfinite(store.features).all() and (store.features[0] == store.features[5]).all()
    np.testing.assert_array_equal(store.volume(5), store.volume(0))
    crop = pickle.loads(pickle.dumps(store)).volume(0, (9, 8, 7), (5, 6, 7))
    np.testing.assert_array_equal(crop, store.volume(0)[9:14, 8:14, 7:14])


def test_parallel_is_as_serial_and_only_what_has_changed_is_made_again(table, tmp_path):
    cases = [case for case in read_case_table(table) if case.name != "broken"]
    stores = [tmp_path / "serial", tmp_path / "parallel"]
    for jobs, store in enumerate(stores, 1):
        assert [name for name, _ in prepare(cases, store, COARSE, jobs)] == ["gone"]
    serial, parallel = map(open_store, stores)
    assert (serial.cases, serial.splits) == (parallel.cases, parallel.splits)
    np.testing.assert_array_equal(serial.labels, parallel.labels)
    np.testing.assert_array_equal(serial.features, parallel.features)
    for row in range(len(serial.cases)):
        np.testing.assert_array_equal(serial.volume(row), parallel.volume(row))

    before = files_of(serial.folder)
    os.utime(cases[2].ct, (1, 1))  # another file, for all that is known
    cases[-1] = replace(cases[-1], ct=cases[2].ct)
    assert not prepare(cases, serial.folder, COARSE._replace(compute_features=False))
    after = files_of(serial.folder)
    assert {name for name in after if after[name] != before.get(name)} == {"case-2.h5", "gone.h5"}
    assert (
        not (serial.folder / "failed.csv").exists() and np.isnan(open_store(serial.folder).features).all(1).sum() == 6
    )
    assert not prepare(cases, serial.folder, COARSE)
    changed = files_of(serial.folder)
    assert {name for name in after if after[name] != changed[name]} == {"case-2.h5", "gone.h5"}
    np.testing.assert_array_equal(open_store(serial.folder).features[:5], parallel.features[:5])
    for wrong in (COARSE._replace(box=(36, 25, 40)), COARSE._replace(spacing=5.0)):
        with pytest.raises(InputError, match="another box or spacing"):
            prepare(cases, serial.folder, wrong)


@pytest.mark.parametrize(("stop", "jobs"), [(signal.SIGKILL, 1), (signal.SIGINT, 2)], ids=["killed", "interrupted"])
def test_it_goes_on_where_it_was_stopped(table, tmp_path, stop, jobs):
    # So many that not all are done before a busy machine comes to the signal.
    rows = table.read_text().splitlines()
    more = [rows[1].replace("case-0,", f"more-{index},") for index in range(10)]
    table = table.with_name("longer.csv")
    table.write_text("\n".join(rows + more) + "\n")
    volumes = tmp_path / "store" / "volumes"
    volumes.mkdir(parents=True)
    run = subprocess.Popen(
        command(table, "--out", volumes.parent, "--jobs", jobs),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    while not list(volumes.glob("*.h5")):
        assert run.poll() is None
        time.sleep(0.005)
    os.killpg(run.pid, stop)
    _, said = run.communicate()
    assert not (volumes.parent / "store.json").exists()
    before = files_of(volumes.parent)
    if stop == signal.SIGINT:
        assert run.returncode == 130 and said.endswith("the same command goes on from here\n")
        assert "Traceback" not in said and all(name.endswith(".h5") for name in before)
    before = {name: stamp for name, stamp in before.items() if name.endswith(".h5")}
    assert 0 < len(before) < 16
    for folder in (volumes, volumes.parent):
        (folder / ".covid-mtl-left.partial").mkdir(exist_ok=True)
    (volumes.parent / "features.csv.gz").touch()  # as if it had come to the tables
    assert len(prepare(read_case_table(table), volumes.parent, COARSE)) == 2
    after = files_of(volumes.parent)
    assert len(after) == 16 and {name: after[name] for name in before} == before
    assert np.isfinite(open_store(volumes.parent).features).all() and not list(volumes.parent.rglob("*.partial"))


def test_tables_that_are_written_half_are_not_taken_for_whole(small, monkeypatch):
    store, volumes, *_ = small

    def replace_or_die(source, target, rename=os.replace):
        if Path(target).name == "cases.csv":
            raise OSError(5, "killed")
        rename(source, target)

    monkeypatch.setattr(os, "replace", replace_or_die)
    with pytest.raises(InputError, match="killed"):
        make_store(replace(store, cases=["a", "b", "new"]), volumes)
    with pytest.raises(InputError, match="has the case 'new', which the table of cases lacks"):
        open_store(store.folder)


@pytest.fixture
def small(tmp_path):
    """A store of three cases, whose volumes are of various sizes."""
    random = np.random.default_rng(0)
    volumes = [random.integers(0, 4095, shape, np.int16) for shape in [(20, 70, 80), (23, 64, 90), (24, 90, 65)]]
    features = random.random((3, 375))
    features[1] = np.nan
    labels = np.array([[0, 1, 2], [1, MISSING, MISSING], [MISSING, 0, 1]])
    splits = ["train", "test", "train"]
    store = make_store(
        Store(tmp_path / "store", (24, 70, 90), 2.5, ["a", "b.1", "c-_"], splits, labels, features), volumes
    )
    return store, volumes, labels, features


def test_made_store_holds_what_it_was_made_of(small):
    store, volumes, labels, features = small
    np.testing.assert_array_equal(store.labels, labels)
    np.testing.assert_array_equal(store.features, features)
    assert (store.box, store.spacing, store.rows("train").tolist()) == ((24, 70, 90), 2.5, [0, 2])
    np.testing.assert_array_equal(store.volume(0, (2, 0, 5), (20, 70, 80)), volumes[0])
    np.testing.assert_array_equal(store.volume(2)[:, :, 12:77], volumes[2][:, 10:80])
    for start, size in [((-1, 0, 0), (5, 5, 5)), ((20, 0, 0), (5, 5, 5)), ((24, 0, 0), None)]:
        with pytest.raises(InputError, match="leaves the box"):
            store.volume(0, start, size)


def test_damaged_volume_is_never_taken_for_a_whole_one(small):
    store, *_ = small
    path = store.folder / "volumes" / "a.h5"
    whole = path.read_bytes()
    with h5py.File(path) as file:
        assert file["volume"].fletcher32
        chunk = file["volume"].id.get_chunk_info(0)
    garbled = bytearray(whole)
    garbled[chunk.byte_offset + chunk.size // 2] ^= 1
    for content in (bytes(garbled), whole[: chunk.byte_offset + 40], b"", None):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match="The volume of a, .*a.h5, is (damaged|missing); prepare the store again"):
            store.volume(0, (0, 0, 0), (4, 8, 8))
        assert store.volume(1).any()


def test_prepared_again_a_damaged_volume_is_mended(coarse, tmp_path):
    ct, lungs = write(coarse.ct, tmp_path / "ct.nrrd"), write(coarse.lungs, tmp_path / "lungs.nrrd")
    cases, settings = [Case("a", ct=ct, lungs=lungs)], COARSE._replace(compute_features=False)
    prepare(cases, tmp_path / "store", settings)
    store = open_store(tmp_path / "store")
    whole, path = store.volume(0), tmp_path / "store" / "volumes" / "a.h5"
    with h5py.File(path) as file:
        chunk = file["volume"].id.get_chunk_info(1)
    with open(path, "r+b") as file:
        file.seek(chunk.byte_offset + 9)
        file.write(bytes(20))
    with pytest.raises(InputError, match="damaged"):
        store.volume(0)
    assert not prepare(cases, tmp_path / "store", settings)
    np.testing.assert_array_equal(store.volume(0), whole)


BAD_TABLES = {
    "ct\nx.nrrd": "no column case",
    "case,ct": "has no cases",
    "case;ct\na;x": "not separated by commas",
    "case,ct\n../a,x": "it names files",
    "case,ct\na,x\nA,y": "'a' twice",
    "case,ct\na,": "neither a ct nor a volume",
    "case,ct,volume\na,x,y": "both a ct and a volume",
    "case,ct,covid_ct\na,x,2": "has '2' in covid_ct",
    "case,ct,severity\na,x,high": "has 'high' in severity",
    "case,ct,split\na,x,training": "in the split 'training'",
}


@pytest.mark.parametrize("text", BAD_TABLES, ids=BAD_TABLES.values())
def test_bad_table_is_one_sentence(tmp_path, text):
    (tmp_path / "cases.csv").write_text(text)
    with pytest.raises(InputError, match=BAD_TABLES[text]):
        read_case_table(tmp_path / "cases.csv")


def test_bad_features_are_one_sentence(tmp_path):
    (tmp_path / "cases.csv").write_text("case,ct\na,x\nb,y\n")
    header = ",".join(["case", *FEATURE_NAMES]) + "\n"
    for text, sentence in {
        "case,Energy\na,1\n": "lacks 374 columns",
        header + "c" + ",1" * 375: "the case 'c', which",
        (header + "a" + ",1" * 375 + "\n") * 1 + "a" + ",1" * 375: "every one with its own name",
        header + "a" + ",1" * 374 + ",": "cells without a number",
        header + "a" + ",1" * 374 + ",inf": "not finite of a",
        "": "cannot be read as a CSV table",
    }.items():
        (tmp_path / "features.csv").write_text(text)
        with pytest.raises(InputError, match=sentence):
            read_case_table(tmp_path / "cases.csv")


def test_what_cannot_become_a_store_is_refused_before_anything_is_written(coarse, tmp_path):
    ct, lungs = write(coarse.ct, tmp_path / "ct.nrrd"), write(coarse.lungs, tmp_path / "lungs.nrrd")
    whole = [Case("a", ct=ct, lungs=lungs)]
    with pytest.raises(InputError, match="found at 1 mm alone, and b has no mask"):
        prepare([*whole, Case("b", ct=ct)], tmp_path / "store", COARSE)
    assert not (tmp_path / "store").exists()
    with pytest.raises(InputError, match="holds other files"):
        prepare(whole, tmp_path, COARSE)
    with pytest.raises(InputError, match="is no store of prepared cases"):
        open_store(tmp_path)
    for case, settings, sentence in (
        (whole[0], COARSE._replace(box=(12, 12, 12)), "less than half of the lungs"),
        (Case("a", volume=ct), COARSE, "no lung volume: its values"),
        (Case("a", volume=lungs), COARSE._replace(spacing=1.0), "has voxels of 10 x 10 x 10 mm"),
    ):
        ((name, reason),) = prepare([case], tmp_path / "store", settings)
        assert name == "a" and sentence in reason and not (tmp_path / "store" / "store.json").exists()
