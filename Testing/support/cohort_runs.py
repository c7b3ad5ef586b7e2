"""Runs of ``covid-mtl cohort`` that tests watch, kill and compare."""

import json
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
from conftest import command, heed_interrupts
from support.running_processes import still_running

QUICK = ("--model", "features", "--device", "cpu")
"""Options that make a case quick."""

RESULTS = {"assessment.json", "features.csv", "lungs.nrrd", "opacities.nrrd", "report.html"}


def start(table: Path, out: Path, *options: object) -> subprocess.Popen:
    """Start a run; what it says goes to a file beside its folder, which nobody has to read for it to go on."""
    with Path(f"{out}.log").open("a") as log:
        arguments = command("cohort", table, "--out", out, *QUICK, *options)
        return subprocess.Popen(arguments, stdout=log, stderr=log, preexec_fn=heed_interrupts)


def said(out: Path) -> str:
    """What the runs into a folder have said."""
    return Path(f"{out}.log").read_text()


def assessed(out: Path) -> int:
    """How many cases have been assessed; those are what takes time."""
    return sum(not path.parent.name.startswith(".") for path in out.glob("cases/*/assessment.json"))


def until(condition, run: subprocess.Popen | None = None, seconds: float = 300) -> None:
    """Wait for something that a run, which must not end before, does."""
    end = time.monotonic() + seconds
    while not condition():
        assert run is None or run.poll() is None, "the run ended too early"
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def workers(run: subprocess.Popen) -> list[psutil.Process]:
    """The processes in which the cases of a run are assessed."""
    found = []
    for one in psutil.Process(run.pid).children():
        with suppress(psutil.NoSuchProcess):  # as a zombie is, too: it has ended since
            if "COVIDMTLLib.processes.worker_main" in one.cmdline():
                found.append(one)
    return found


def gone(processes: list[psutil.Process]) -> bool:
    """Whether processes have ended."""
    return not still_running(processes)


def stray(out: Path, parquet: bool = False) -> list[str]:
    """Files and folders in the results of a cohort that should not be there, or are not and should be."""
    wanted = {"cases", "cohort.csv", "cohort.html", *(["cohort.parquet"] if parquet else [])}
    wrong = [str(name) for name in wanted ^ {path.name for path in out.iterdir()}]
    for case in (out / "cases").iterdir():
        found = {path.name for path in case.iterdir()}
        if case.name.startswith(".") or found != ({"failed.json"} if case.name.startswith("broken") else RESULTS):
            wrong.append(f"{case.name}: {', '.join(sorted(found))}")
    return wrong


def failures(out: Path) -> dict[str, str]:
    """The reasons of the failed cases, by name."""
    return {path.parent.name: json.loads(path.read_text())["error"] for path in out.glob("cases/*/failed.json")}
