"""Odd and bad inputs of every kind, and places that a program should not rely on: see `fuzz_inputs.py` for more."""

import json
import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import command, covid_mtl, write
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import Volume, labels_on, to_working_grid
from COVIDMTLLib.segmentation import methods
from fuzzing.odd_inputs import KINDS, make_odd_input, make_odd_study, make_stock
from fuzzing.odd_inputs.judging import quiet, run
from fuzzing.odd_inputs.volumes import restored, turned
from hypothesis import Phase, given, settings
from hypothesis import strategies as st


def examples(count):
    """So many examples, always the same; those by the number of a seed have nothing simpler to be shrunk to."""
    return settings(max_examples=count, derandomize=True, deadline=None, database=None, phases=[Phase.generate])


SLOW = ("names", "model, assessed", "DICOM, stored values")
"""Kinds that `fuzz_inputs.py` alone goes through, for each of them takes seconds."""


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    quiet()
    return make_stock(tmp_path_factory.mktemp("stock") / "stock")


@examples(100)
@given(index=st.integers(0, 10**6))
def test_every_input_gets_an_answer_or_a_sentence(stock, index):
    folder = stock.folder.parent / str(index)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    odd = make_odd_input(1, index, stock, folder, kinds=[kind for kind in KINDS if kind not in SLOW])
    assert run(odd, folder).faults == [], (odd.kind, odd.arguments)


@examples(10)
@given(index=st.integers(0, 10**6))
def test_what_is_read_of_a_study_is_right(stock, index):
    """Series, copies, gaps, orders and transfer syntaxes around a known CT: it is read, or why not is said."""
    folder = stock.folder.parent / f"study{index}"
    folder.mkdir(exist_ok=True)
    odd = make_odd_study(1, index, stock, folder)
    assert run(odd, folder).faults == [], odd.arguments


@examples(10)
@given(seed=st.integers(0, 2**32 - 1), oblique=st.booleans())
def test_a_ct_stored_otherwise_has_the_same_lungs_in_the_same_place(stock, seed, oblique):
    """Axes in any order and direction, voxels of 3 mm: the lungs lie where they did, whichever way they are stored."""
    rng = np.random.default_rng(seed)
    ct = turned(stock.phantom.ct, rng, 20) if oblique else stock.phantom.ct
    expected, found = (
        labels_on(methods.segment(to_working_grid(one), "classical"), ct.geometry) for one in (ct, restored(ct, rng))
    )
    for label in (1, 2):
        both = np.count_nonzero((expected.array == label) & (found.array == label))
        assert 2 * both > 0.97 * sum(np.count_nonzero(one.array == label) for one in (expected, found)), label


@examples(12)
@given(seed=st.integers(0, 2**32 - 1), spacing=st.tuples(*[st.floats(0.7, 4.0)] * 3))
def test_labels_come_back_to_the_ct_from_the_working_grid(stock, seed, spacing):
    """A block of voxels of any geometry, through the working grid and back, is the same but for its surface."""
    rng = np.random.default_rng(seed)
    geometry = stock.phantom.ct.geometry
    ct = turned(restored(Volume(stock.phantom.ct.array, geometry.__class__(geometry.size, spacing)), rng), rng)
    block = np.zeros(ct.array.shape, np.uint8)
    block[4:-4, 4:-4, 4:-4] = 1
    working = to_working_grid(ct)
    there = labels_on(ct.with_array(block), working.geometry)
    back = labels_on(there, ct.geometry).array
    assert (back[6:-6, 6:-6, 6:-6] == 1).all() and back[3:-3, 3:-3, 3:-3].sum() == back.sum()
    volumes = [np.count_nonzero(one.array) * one.geometry.voxel_volume for one in (ct.with_array(block), there)]
    assert volumes[1] == pytest.approx(volumes[0], rel=0.1)


def start(words, cwd, preexec_fn=None, **environment):
    """Run the command line as a process with another environment; with None a variable is not there."""
    changed = {key: value for key, value in (os.environ | environment).items() if value is not None}
    # Alone: Python itself cannot start in a folder that is gone if what else is in there is relative to it.
    changed["PYTHONPATH"] = str(Path(methods.__file__).parents[2])
    return subprocess.run(
        command(*words), cwd=cwd, env=changed, capture_output=True, timeout=300, preexec_fn=preexec_fn
    )


ENVIRONMENTS = {
    "no home, no display": {"HOME": None, "DISPLAY": None, "QT_QPA_PLATFORM": None, "MPLCONFIGDIR": None},
    "a home that is not there": {"HOME": "/nowhere", "XDG_CACHE_HOME": "/nowhere/cache", "MPLCONFIGDIR": None},
    "plain ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    "another locale and many threads": {"LC_ALL": "de_DE.UTF-8", "OMP_NUM_THREADS": "64", "MKL_NUM_THREADS": "64"},
}


@pytest.mark.parametrize("kind", ["a home that is not there", "plain ASCII"])
def test_assessment_in_another_environment(kind, stock, tmp_path):
    """A file and a folder with names in two scripts, and a report with pictures, wherever it runs."""
    ct = tmp_path / "Brustkorb größer 胸.nrrd"
    ct.write_bytes(stock.ct.read_bytes())
    out = tmp_path / "Ergebnis 結果"
    words = ["assess", ct, "--lungs", stock.lungs, "--model", stock.model, "--out", out]
    done = start(words, tmp_path, **ENVIRONMENTS[kind])
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    assert b"Report: " in done.stdout and b"Traceback" not in done.stderr
    assert "größer 胸" in (out / "report.html").read_text(encoding="utf-8")
    assert read_mask(out / "lungs.nrrd").geometry == stock.phantom.ct.geometry


def test_segmentation_is_the_same_in_every_environment(stock, tmp_path):
    written = set()
    for number, environment in enumerate([{}, *ENVIRONMENTS.values()]):
        out, measures = tmp_path / f"{number}.nrrd", tmp_path / f"{number}.json"
        words = ["segment", stock.ct, "--method", "classical", "--out", out, "--measures", measures]
        done = start(words, tmp_path, **environment)
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        written.add((out.read_bytes(), measures.read_bytes()))
    assert len(written) == 1


def no_large_files(limit):
    """For ``preexec_fn``: writing more than so many bytes fails, as on a full disk."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return limited


def assert_one_sentence(done, text):
    assert done.returncode == 2, done.stderr
    said = [line for line in done.stderr.decode().splitlines() if "covid-mtl: " in line]
    assert len(said) == 1 and text in said[0] and b"Traceback" not in done.stderr


@pytest.mark.parametrize("suffix", ["nrrd", "nii.gz", "nii", "mha"])
def test_full_disk(suffix, stock, tmp_path):
    words = ["segment", stock.ct, "--method", "classical", "--out", tmp_path / f"lungs.{suffix}"]
    assert_one_sentence(start(words, tmp_path, no_large_files(500)), f"lungs.{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_disk_that_fills_up_with_a_table(stock, tmp_path):
    words = ["features", stock.ct, stock.lungs, "--out", tmp_path / "features.csv"]
    assert_one_sentence(start(words, tmp_path, no_large_files(5000)), "File too large")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_may_only_be_read(stock, tmp_path):
    """Below /proc nobody may write, whoever runs the tests."""
    if not Path("/proc/self").is_dir():
        pytest.skip("There is no /proc here")
    for words in (
        ["segment", stock.ct, "--out", "/proc/lungs.nrrd"],
        ["features", stock.ct, stock.lungs, "--out", "/proc/f.csv"],
        ["assess", stock.ct, "--out", "/proc/results"],
    ):
        assert_one_sentence(start(words, tmp_path), "/proc")


def test_what_has_no_value_is_null_in_json(stock, tmp_path):
    """Where two masks fill their grid, no correlation can be told of; JSON has no NaN."""
    mask = write(stock.phantom.lungs.with_array(np.ones_like(stock.phantom.lungs.array)), tmp_path / "mask.nrrd")
    found = json.loads(covid_mtl("compare-masks", mask, mask).stdout, parse_constant=pytest.fail)
    assert found["dice"] == 1 and found["mcc"] is None


def test_working_folder_that_was_deleted(stock, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    words = ["segment", stock.ct, "--method", "classical", "--out", tmp_path / "lungs.nrrd"]
    assert_one_sentence(start(words, gone, gone.rmdir), "The folder that this was started in is gone")
