"""A job in a child process: progress, the end of it, cancelling it, and its death."""

import errno
import json
import signal
import time

import numpy as np
import psutil
import pytest
from conftest import write
from COVIDMTLLib.child import Child, ChildFailed
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.progress import silent
from COVIDMTLLib.reading import read_mask
from COVIDMTLLib.segmentation import Parameters, segment
from COVIDMTLLib.supervise import WorkerFailed, run_supervised
from COVIDMTLLib.volume import labels_on, to_working_grid


def until(child, step):
    """Poll until a step is reached."""
    seen = []
    while step not in seen:
        assert child.poll(lambda *news: seen.append(news[0]))
        time.sleep(0.02)


def test_child_gives_what_the_command_line_gives(phantom, phantom_ct, tmp_path):
    mask = write(phantom.lungs, tmp_path / "mask.nrrd")
    news = []
    Child("assess", phantom_ct, "--lungs", mask, "--out", tmp_path / "with blanks").wait(lambda *one: news.append(one))
    assert news[-1] == ("done", 1.0, "Done")
    result = json.loads((tmp_path / "with blanks" / "assessment.json").read_text())
    assert result["lungs"]["source"] == "given mask"
    assert read_mask(tmp_path / "with blanks" / "lungs.nrrd").geometry == phantom.ct.geometry


def test_segmentation_in_a_child_is_that_of_this_process(phantom, phantom_ct, tmp_path):
    parameters = Parameters(threshold=-500, closing=20)
    options = ["--method", "active-contour", "--threshold", parameters.threshold, "--closing", parameters.closing]
    Child("segment", phantom_ct, "--out", tmp_path / "m.nrrd", *options).wait()
    here = segment(to_working_grid(phantom.ct), "active-contour", parameters=parameters)
    expected = labels_on(here, phantom.ct.geometry).array
    np.testing.assert_array_equal(read_mask(tmp_path / "m.nrrd").array, expected)


def test_bad_input_is_told_as_the_command_line_tells_it(tmp_path):
    with pytest.raises(InputError, match=r"^There is no file or folder .*none\.nrrd; check the path\.$"):
        Child("segment", tmp_path / "none.nrrd", "--out", tmp_path / "m.nrrd").wait()


def on_a_full_disk(progress):
    raise OSError(errno.ENOSPC, "No space left on device", "results/lungs.nrrd")


def broken(progress):
    raise ZeroDivisionError("a fault of the program")


def test_trouble_with_files_is_a_sentence_and_a_fault_a_traceback():
    with pytest.raises(InputError, match=r"^results/lungs\.nrrd cannot be read or written: No space left on device\.$"):
        run_supervised(on_a_full_disk, progress=silent)
    with pytest.raises(WorkerFailed, match="ZeroDivisionError: a fault of the program"):
        run_supervised(broken, progress=silent)


def test_cancel_takes_effect_at_once_and_leaves_nothing(real_ct, tmp_path):
    others = psutil.Process().children(recursive=True)  # what multiprocessing keeps for the tests themselves
    child = Child("assess", real_ct / "lung1_image.nrrd", "--out", tmp_path)
    until(child, "lungs")
    time.sleep(0.5)
    family = [process for process in psutil.Process().children(recursive=True) if process not in others]
    assert len(family) >= 2
    began = time.monotonic()
    child.cancel()
    assert time.monotonic() - began < 2
    assert list(tmp_path.iterdir()) == []
    alive = psutil.wait_procs(family, timeout=1)[1]
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_what_interrupts_the_wait_cancels(phantom_ct, tmp_path):
    class Closed(Exception):
        pass

    def close(step, fraction, text):
        if step == "features":
            raise Closed

    child = Child("assess", phantom_ct, "--out", tmp_path, "--refine", "none")
    with pytest.raises(Closed):
        child.wait(close)
    assert list(tmp_path.iterdir()) == []


def test_death_of_the_worker_and_of_the_child_are_told_readably(phantom_ct, tmp_path):
    child = Child("assess", phantom_ct, "--out", tmp_path / "a")
    until(child, "lungs")
    # Of the processes below this one, the worker is what uses the memory.
    worker = max(psutil.Process().children(recursive=True), key=lambda process: process.memory_info().rss)
    worker.send_signal(signal.SIGKILL)
    with pytest.raises(ChildFailed, match="ended with exit code -9; was the memory enough") as failure:
        child.wait()
    assert "Traceback" not in str(failure.value)
    assert list((tmp_path / "a").iterdir()) == []

    child = Child("assess", phantom_ct, "--out", tmp_path / "b")
    until(child, "read")
    child._process.kill()
    with pytest.raises(ChildFailed, match="ended by signal 9"):
        child.wait()


def test_end_of_the_process_that_nobody_saw_is_no_success(phantom_ct, tmp_path):
    """As in a program that waits for any child, after which this one's exit code cannot be had."""
    child = Child("segment", phantom_ct, "--out", tmp_path / "m.nrrd")
    until(child, "read")
    alive = (one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE)
    (process,) = (one for one in alive if "COVIDMTLLib" in one.cmdline())
    process.kill()
    process.wait()
    with pytest.raises(ChildFailed, match="before it was done"):
        child.wait()
