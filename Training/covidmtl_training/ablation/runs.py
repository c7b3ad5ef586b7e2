"""The runs of the ablation study, several at a time, each in a process of its own."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import torch
from COVIDMTLLib.utils.atomic_files import staged_file
from COVIDMTLLib.utils.errors import InputError
from tqdm import tqdm

from ..data.case_table import SPLITS
from ..data.store import make_folder, open_store
from ..engine.fit import fit
from ..engine.run_state import known_of
from ..engine.transfer import transfer
from ..recipes.recipe import read_recipe
from ..recipes.tasks import read_tasks
from .plan import ALL_TASKS, Cell, settings

POLL = 0.2
"""Seconds between two looks at the processes."""


class Run(NamedTuple):
    """A network of the study and the seed it is trained with."""

    cell: Cell
    seed: int


@dataclass(frozen=True)
class Study:
    """What the runs have in common.

    Attributes
    ----------
    stores : dict
        Folders of prepared cases by lungs, ``refined`` and, for Table 6, ``initial``.
    config : dict
        As in ``ablation.yaml``.
    base : Path
        The recipe that all runs share.
    changes : tuple of str
        To the recipe, in all runs.
    out : Path
        Folder of the study.
    """

    stores: dict[str, Path]
    config: dict[str, Any]
    base: Path
    changes: tuple[str, ...]
    out: Path

    def folder(self, run: Run) -> Path:
        """Folder of a run."""
        return self.out / "runs" / run.cell.name / f"seed-{run.seed}"

    def runs(self, cell: Cell) -> list[Run]:
        """The runs of a cell, in the order of the seeds."""
        return [Run(cell, seed) for seed in self.config["seeds"]]

    def settings(self, run: Run) -> list[str]:
        """Changes to the recipe in a run."""
        return settings(run.cell, run.seed, self.config, self.changes)

    @cached_property
    def cases(self) -> dict[str, list[str]]:
        """What is known of the cases of each store, split by split, in short."""
        tasks = read_tasks(list(ALL_TASKS))
        stores = {lungs: open_store(folder) for lungs, folder in self.stores.items()}
        return {
            lungs: [known_of(store, store.rows(split), tasks, features=True) for split in SPLITS]
            for lungs, store in stores.items()
        }


def train_all(study: Study, cells: Iterable[Cell], jobs: int) -> None:
    """Train every cell with every seed, or go on with it; what is finished stays.

    Parameters
    ----------
    study : Study
    cells : iterable of Cell
        Parents before what is transferred from them.
    jobs : int
        Runs at a time.

    Raises
    ------
    InputError
        If a recipe is none, before anything is trained; or if a run fails, with what it said.
    """
    known = {run: _known(study, run, recipe) for run, recipe in _recipes(study, cells).items()}
    waiting = [run for run in known if not _is_finished(study, run, known[run])]
    epochs = {run: known[run]["recipe"]["epochs"] for run in known}
    running, context = {}, _context()
    with tqdm(total=sum(epochs.values()), desc="ablation", unit="epoch", smoothing=0) as bar:
        bar.initial = bar.n = _epochs_done(study, known)
        try:
            while waiting or running:
                for run in [run for run in waiting if _is_ready(run, [*waiting, *running])][: jobs - len(running)]:
                    waiting.remove(run)
                    make_folder(study.folder(run))
                    running[run] = context.Process(target=_train, args=(study, run))
                    running[run].start()
                time.sleep(POLL)
                for run in [run for run, process in running.items() if not process.is_alive()]:
                    if running.pop(run).exitcode:
                        raise InputError(_failed(study, run))
                    _mark_finished(study, run, known[run])
                bar.set_postfix_str(f"{len(known) - len(waiting) - len(running)} of {len(known)} runs", refresh=False)
                bar.update(_epochs_done(study, known) - bar.n)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join()


def _context():
    """Processes that start with everything imported where the system can, and with nothing of this one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    # The server is a new interpreter, which finds these scripts by this alone.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["covidmtl_training.ablation.study"])
    return context


def _train(study, run):
    """A process: all that it says goes to ``output.txt``."""
    folder, store = study.folder(run), study.stores[run.cell.lungs]
    with (folder / "output.txt").open("w", encoding="utf-8") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # and leave nothing half-written
    torch.set_num_threads(1)  # the sums of several come in any order, and there are other runs
    try:
        if run.cell.parent is None:
            fit(open_store(store), read_recipe(study.base, study.settings(run)), folder)
        else:
            model = study.folder(Run(run.cell.parent, run.seed)) / "last"
            transfer(model, store, folder, run.cell.tasks, overrides=study.settings(run))  # by the recipe of the model
    except InputError as error:
        sys.exit(str(error))


def _recipes(study, cells):
    found = {}
    for cell in cells:
        first, *others = study.runs(cell)
        found[first] = read_recipe(study.base, study.settings(first))
        found |= {run: found[first] | {"seed": run.seed} for run in others}
    return found


def _known(study, run, recipe):
    """What makes a finished run the one that is wanted."""
    return {"recipe": recipe, "cases": study.cases[run.cell.lungs]}


def _is_ready(run, unfinished):
    return run.cell.parent is None or Run(run.cell.parent, run.seed) not in unfinished


def _epochs_done(study, runs):
    logs = (study.folder(run) / "log.csv" for run in runs)
    return sum(len(log.read_text(encoding="utf-8").splitlines()) - 1 for log in logs if log.is_file())


def _is_finished(study, run, known):
    path = study.folder(run) / "finished.json"
    return path.is_file() and json.loads(path.read_text(encoding="utf-8")) == known


def _mark_finished(study, run, known):
    with staged_file(study.folder(run) / "finished.json") as path:
        path.write_text(json.dumps(known, indent=1), encoding="utf-8")


def _failed(study, run):
    output = study.folder(run) / "output.txt"
    said = output.read_text(encoding="utf-8", errors="replace").split("\n")
    last = next((line for line in reversed(said) if line.strip()), "nothing was said")
    return f"The run {run.cell.name} with seed {run.seed} failed: {last.strip()} All that it said is in {output}."
