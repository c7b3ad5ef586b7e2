"""Workers of a Dask cluster that cannot assess cases: a sentence instead of waiting for ever."""

import json
import os
import subprocess
import sys
import time

import pytest
from COVIDMTLLib.cohort import dask_cluster
from COVIDMTLLib.cohort.run import assess_cohort
from COVIDMTLLib.utils.errors import InputError
from support.cohort_runs import until

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

BLOCK = """
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "COVIDMTLLib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""

UNABLE = {
    "without the package": (BLOCK, "cannot assess a case .No module named 'COVIDMTLLib'.; install the same version"),
    "of another version": (
        "import COVIDMTLLib; COVIDMTLLib.__version__ = '0.0.1'",
        "has version 0.0.1 of this program",
    ),
    "that dies at work": (
        "import os; from distributed import Worker; Worker.execute = lambda *_, **__: os._exit(1)",
        "died",
    ),
    "that does not start": ("raise ImportError('a library is missing')", "has no worker; start some, or see why"),
}


@pytest.mark.parametrize("kind", UNABLE)
def test_a_worker_that_cannot_work_ends_the_run_with_a_sentence(kind, tmp_path, monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(dask_cluster, "JOINING", 10.0)
    preload, sentence = UNABLE[kind]
    (tmp_path / "preload.py").write_text(preload)
    cli, quiet = [sys.executable, "-m"], {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    where = tmp_path / "scheduler.json"
    options = ["--port", "0", "--no-dashboard", "--scheduler-file", where]
    scheduler = subprocess.Popen([*cli, "distributed.cli.dask_scheduler", *options], **quiet)
    until(lambda: where.exists() and where.read_text(), scheduler)  # it is there before it is written
    address = json.loads(where.read_text())["address"]
    options = ["--no-dashboard", "--nthreads", "1", "--preload", "preload.py"]
    worker = subprocess.Popen([*cli, "distributed.cli.dask_worker", address, *options], **quiet)
    try:
        (tmp_path / "cases.csv").write_text("case,ct\na,a.nrrd\n")
        began = time.monotonic()
        with pytest.raises(InputError, match=sentence):
            assess_cohort(tmp_path / "cases.csv", tmp_path / "out", scheduler=address, model="features", device="cpu")
        assert time.monotonic() - began < 60
    finally:
        for process in (worker, scheduler):
            process.terminate()
            process.wait()
    assert list((tmp_path / "out" / "cases").iterdir()) == []
