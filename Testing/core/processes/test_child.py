"""A job in a child process: progress, the end of it, cancelling it, and its death."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import COVIDMTLLib
import numpy as np
import psutil
import pytest
from conftest import write
from COVIDMTLLib.assessment.in_subprocess import assess_in_child
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import labels_on, to_working_grid
from COVIDMTLLib.processes.cancellation import WorkerFailed, run_supervised
from COVIDMTLLib.processes.command_process import Child, ChildFailed
from COVIDMTLLib.segmentation.methods import Parameters, SegmentationOptions, segment
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.progress import silent
from slicer_host.launcher import write_launcher
from support.running_processes import still_running


@pytest.fixture
def any_ct(phantom_ct):
    """A CT that takes some time to assess: the real one where it is at hand."""
    folder = os.environ.get("COVIDMTL_CT")
    return Path(folder) / "lung1_image.nrrd" if folder else phantom_ct


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
    here = segment(to_working_grid(phantom.ct), SegmentationOptions("active-contour", parameters))
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


@pytest.fixture(params=["python", "launcher"])
def python(request, tmp_path_factory):
    """What runs the job: Python, or a launcher that starts it and handles no signal, as PythonSlicer is."""
    return sys.executable if request.param == "python" else str(write_launcher(tmp_path_factory.mktemp("bin")))


def below(process=None) -> list[psutil.Process]:
    """The processes below one, without those that have ended and those that multiprocessing keeps for other tests."""
    children = (process or psutil.Process()).children(recursive=True)
    alive = still_running(children)
    return [one for one in alive if "multiprocessing" not in " ".join(one.cmdline())]


@contextmanager
def nothing_is_left(out, process=None):
    """Every process that runs below one at the beginning has ended two seconds after the end, and a folder is empty."""
    family = below(process)
    assert len(family) >= 2
    began = time.monotonic()
    yield
    alive = psutil.wait_procs(family, timeout=max(0, began + 2 - time.monotonic()))[1]
    assert not still_running(alive)
    assert list(out.iterdir()) == [] and time.monotonic() - began < 2.5


def test_cancel_takes_effect_at_once_and_leaves_nothing(any_ct, tmp_path, python):
    child = Child("assess", any_ct, "--out", tmp_path, python=python)
    until(child, "lungs")
    time.sleep(0.5)
    with nothing_is_left(tmp_path):
        child.cancel()
        assert not any(reader.is_alive() for reader in child._readers)


def test_killed_launcher_is_told_and_leaves_nothing(phantom_ct, tmp_path):
    (tmp_path / "out").mkdir()
    child = Child("assess", phantom_ct, "--out", tmp_path / "out", python=str(write_launcher(tmp_path)))
    until(child, "lungs")
    with nothing_is_left(tmp_path / "out"):
        child._process.kill()
        with pytest.raises(ChildFailed, match="stopped; nothing was written"):
            child.wait()


PROGRAM = """
import os, sys, time
from COVIDMTLLib.processes.command_process import Child
ct, out, python = sys.argv[1:]
child, seen = Child("assess", ct, "--out", out, python=python), []
while "lungs" not in seen:
    child.poll(lambda *news: seen.append(news[0]))
    time.sleep(0.02)
print("there", flush=True)
sys.stdin.read()
os._exit(0)
"""


@pytest.mark.parametrize("crash", [False, True], ids=["closed", "killed"])
def test_end_of_the_program_ends_the_job_and_leaves_nothing(any_ct, tmp_path, python, crash):
    command = [sys.executable, "-c", PROGRAM, any_ct, tmp_path, python]
    path = {"PYTHONPATH": str(Path(COVIDMTLLib.__file__).parent.parent)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | path) as program:
        assert program.stdout.readline() == b"there\n"
        with nothing_is_left(tmp_path, psutil.Process(program.pid)):
            program.kill() if crash else program.stdin.close()


def test_input_that_is_empty_ends_no_command_of_a_shell(phantom_ct, tmp_path):
    out = tmp_path / "m.nrrd"
    command = [sys.executable, "-m", "COVIDMTLLib", "segment", phantom_ct, "--out", out, "--method", "classical"]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    assert out.exists()


def chatty(tmp_path, *lines) -> str:
    """A Python before and after which strangers print lines, on standard output and standard error."""
    path = tmp_path / "chatty"
    text = "import subprocess, sys\n"
    text += f"said = {lines!r}\n"
    text += "def say():\n    for stream in (sys.stdout, sys.stderr):\n        for line in said:\n"
    text += "            stream.buffer.write(line)\n        stream.flush()\n"
    text += f"say()\ncode = subprocess.call([{sys.executable!r}, *sys.argv[1:]])\nsay()\nsys.exit(code)\n"
    path.write_text(f"#!{sys.executable} -IS\n{text}")
    path.chmod(0o755)
    return str(path)


STRANGERS = (
    b"Loading the settings\n",
    b"42\n",
    b"[1]\n",
    b'{"step": "read"}\n',
    b'{"step": \n',
    b"\xff\xfe\n",
    b"[" * 9999 + b"\n",
)


def test_lines_of_strangers_neither_end_nor_fail_a_job_and_are_in_its_log(phantom_ct, tmp_path):
    news = []
    child = Child("segment", phantom_ct, "--out", tmp_path / "m.nrrd", python=chatty(tmp_path, *STRANGERS))
    child.wait(lambda *one: news.append(one))
    assert news[-1] == ("done", 1.0, "Done") and (tmp_path / "m.nrrd").exists()
    assert child.log.count("Loading the settings") == child.log.count('{"step": "read"}') == 4


def test_error_is_the_sentence_whatever_else_is_said(phantom_ct, tmp_path):
    python = chatty(tmp_path, b"Warning: old\n", b"half a line")
    child = Child("segment", phantom_ct, "--out", tmp_path / "m.jpg", python=python)
    with pytest.raises(InputError, match=r"^A mask cannot be written as m\.jpg; use .*\.dcm\.$"):
        child.wait()
    assert "Warning: old" in child.log


def test_wrong_option_is_told_without_what_strangers_say(phantom_ct, tmp_path):
    python = chatty(tmp_path, b"Warning: old\n")
    with pytest.raises(InputError, match=r"^argument --grid: invalid choice: 'other' \(.*\)$"):
        Child("segment", phantom_ct, "--out", tmp_path / "m.nrrd", "--grid", "other", python=python).wait()


def test_what_libraries_say_in_the_worker_is_in_the_log(phantom_ct, tmp_path, monkeypatch):
    said = (
        'import sys; "COVIDMTLLib.processes.worker_main" in sys.orig_argv and print("a library warns", file=sys.stderr)'
    )
    (tmp_path / "sitecustomize.py").write_text(said)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    child = Child("segment", phantom_ct, "--out", tmp_path / "m.nrrd", "--method", "classical")
    child.wait()
    assert "a library warns" in child.log


def test_names_that_begin_with_a_hyphen_are_no_options(phantom_ct, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("-Thorax.nrrd").write_bytes(Path(phantom_ct).read_bytes())
    assess_in_child("-Thorax.nrrd", "-results", name="-Thorax", refine="none")
    assert json.loads(Path("-results", "assessment.json").read_text())["case"] == "-Thorax"


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
    worker = max(below(), key=lambda process: process.memory_info().rss)
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
    alive = still_running(psutil.Process().children())
    (process,) = (one for one in alive if "COVIDMTLLib" in one.cmdline())
    process.kill()
    process.wait()
    with pytest.raises(ChildFailed, match="before it was done"):
        child.wait()


def test_no_folder_but_that_of_a_job_is_ever_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "ct.nrrd").write_text("precious")
    with pytest.raises(InputError, match="was not made for a job, and is not removed"):
        Child("segment", tmp_path / "none.nrrd", "--out", tmp_path / "m.nrrd", folder=tmp_path / "mine").wait()
    assert (tmp_path / "mine" / "ct.nrrd").read_text() == "precious"
