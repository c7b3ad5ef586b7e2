"""The cases of a cohort, all of them, in whatever order they come to an end."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..assessment.options import AssessmentOptions
from ..assessment.pipeline import check_choices
from ..models.store import DEFAULT_MODEL, read_card, shipped_models
from ..prediction.likelihood_ratio import check_prior
from ..segmentation.methods import DEFAULT_METHOD
from ..utils.cpu import cores
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.progress import Callback, silent
from .case import fail_case
from .dask_cluster import ClusterWorkers
from .local import LocalWorkers
from .locks import sweep
from .outcome import Outcome, read_outcome
from .output import CASES, write_results
from .table import Case, read_cases

EVERY = 60.0
"""Seconds after which the table and the summary are brought up to date."""

Told = Callable[[str, str], None]
"""Is called with the name of a case and what there is to say of it, as it happens."""


def assess_cohort(
    table: str | Path,
    out: str | Path,
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    parquet: bool = False,
    model: str | Path | Sequence[str | Path] = DEFAULT_MODEL,
    refine: str | None = None,
    device: str = "auto",
    grid: str = "ct",
    prior: float | str | None = None,
    failed: Told = lambda name, reason: None,
    noted: Told = lambda name, note: None,
    progress: Callback = silent,
) -> list[dict[str, Any]]:
    """Assess any number of CTs, on this machine or on a Dask cluster. Research use only.

    A case that cannot be assessed is named with its reason and does not stop the rest, even if its process dies.
    Called again, it goes on where it was stopped or killed: cases that were assessed are not assessed again, failed
    ones are. Called twice at a time on one folder, both share the work.

    Parameters
    ----------
    table : path
        The cases: see `table.read_cases`.
    out : path
        Folder for ``cases``, with a folder a case as `pipeline.assess` writes it, or with ``failed.json``; for the
        table ``cohort.csv`` and the summary ``cohort.html``.
    jobs : int, optional
        How many cases to assess at once on this machine; by default as many as it has cores.
    scheduler : str, optional
        Address of a Dask scheduler, whose workers see the same files at the same paths.
    parquet : bool
        Whether to write ``cohort.parquet`` too.
    model : str or path, or several
        As of `pipeline.assess`, for all cases, like the next four.
    refine : {"robust", "active-contour", "none"}, optional
        Refinement of the lungs.
    device : str
        Where to run networks.
    grid : {"ct", "working"}
        Geometry of the masks.
    prior : float, optional
        Probability of COVID-19 before the CT.
    failed : callable, optional
        Is told the name of each case that fails and why, as it happens.
    noted : callable, optional
        Is told the name of each case of which one of several series was taken, and which and why.
    progress : Callback, optional
        Is told a case, the share of all cases that is done, and a line of text; what it raises ends the run.

    Returns
    -------
    list of dict
        The rows of the table, in the order of the cases: those of `rows.row_of` with ``unusual_share``, the share of
        the features outside what 98 % of a model's training cases have; and of failed cases as `rows.failed_row`.

    Raises
    ------
    InputError
        If something is wrong with the table, the folder, the scheduler or what is meant for all cases.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> rows = covidmtl.assess_cohort("cases.csv", "cohort", jobs=1)
    >>> [(row["case"], row["error"]) for row in rows]
    [('one', '')]
    """
    check_choices(refine or DEFAULT_METHOD, grid)
    prior = check_prior(prior)
    require("jinja2", "matplotlib.backends.backend_agg", *(["pyarrow.parquet"] if parquet else []))
    if jobs is not None and jobs < 1:
        raise InputError(f"{jobs} cases cannot be assessed at once; give --jobs 1 or more.")
    cases = read_cases(table)
    options = AssessmentOptions(_models(model), refine, device, grid, prior)
    out = Path(out).absolute()
    try:
        (out / CASES).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {out} cannot be made: {error.strerror}; choose another one.") from error

    _check_folders(cases, out / CASES)

    run = _Run(cases, out, parquet, (failed, noted), progress)
    try:
        run.fail_rows()
        if run.left:
            number, how = min(jobs or cores(), len(run.left)), (out / CASES, options)
            workers = (
                LocalWorkers(number, *how, run.tell_share) if scheduler is None else ClusterWorkers(scheduler, *how)
            )
            try:
                workers.start()
                run.go(workers)
            finally:
                workers.close()
    finally:
        sweep(out / CASES)
    run.write()
    progress("done", 1.0, "Done")
    return run.rows


def _check_folders(cases: list[Case], folder: Path) -> None:
    """Raise `InputError` if the folder of a case holds something else than what came of it, which would be lost."""
    for case in cases:
        own = folder / case.name
        if own.is_dir() and any(own.iterdir()) and read_outcome(own) is None:
            raise InputError(f"The folder {own} is there and holds no result; choose another folder for the results.")


class _Run:
    """What is known of the cases so far, and which of them are left."""

    def __init__(self, cases: list[Case], out: Path, parquet: bool, told: tuple[Told, Told], progress: Callback):
        self._cases, self._out, self._parquet = cases, out, parquet
        (self._failed, self._noted), self._progress = told, progress
        self._outcomes: dict[str, Outcome] = {}
        self._again: set[str] = set()
        self._shares: dict[str, float] = {}
        self._shown = 0.0
        self._steps: set[str] = set()
        for case in cases:
            outcome = read_outcome(out / CASES / case.name)
            if outcome is not None and outcome.error:
                self._again.add(case.name)
            elif outcome is not None:
                self._outcomes[case.name] = outcome
        self.left = deque(case for case in cases if case.name not in self._outcomes)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Of the cases that have come to an end, in the order of the cases."""
        return [outcome.row for outcome in self._in_order()]

    def fail_rows(self) -> None:
        """Have the cases fail whose rows of the table are wrong: all at once, before the first one is assessed."""
        for case in [one for one in self.left if one.error]:
            self.left.remove(case)
            self._end(case.name, fail_case(case.name, self._out / CASES, case.error, again=True))

    def go(self, workers: LocalWorkers | ClusterWorkers) -> None:
        """Have all cases assessed that are left."""
        claimed: deque[Case] = deque()  # by another run; they are come back to when there is nothing else to do
        running, written = 0, time.monotonic()
        while running or self.left or claimed:
            while running < workers.slots and (self.left or claimed):
                wait = not self.left
                case = claimed.popleft() if wait else self.left.popleft()
                workers.submit(case, case.name in self._again, wait)
                running += 1
            news = workers.next(seconds=0.5)
            if news is None:
                self._show("cases", f"{len(self._outcomes)} of {len(self._cases)} cases")
            else:
                running -= 1
                case, outcome = news
                if outcome is None:
                    claimed.append(case)
                else:
                    self._end(case.name, outcome)
            if time.monotonic() - written > EVERY:
                self.write()
                written = time.monotonic()

    def tell_share(self, name: str, share: float) -> None:
        """Take note of how far a case is; in any thread."""
        self._shares[name] = share

    def write(self) -> None:
        """Bring the table and the summary up to date; another run on the folder waits meanwhile."""
        write_results(self._in_order(), len(self._cases), self._out, self._parquet)

    def _in_order(self) -> list[Outcome]:
        return [self._outcomes[case.name] for case in self._cases if case.name in self._outcomes]

    def _end(self, name: str, outcome: Outcome) -> None:
        self._shares.pop(name, None)
        self._outcomes[name] = outcome
        if outcome.error:
            self._failed(name, outcome.error)
        elif outcome.row["series_note"]:
            self._noted(name, outcome.row["series_note"])
        what = "failed" if outcome.error else "assessed"
        self._show(name, f"{len(self._outcomes)} of {len(self._cases)} cases: {name} {what}")

    def _show(self, step: str, text: str) -> None:
        # A case whose process died begins again, and the bar waits for it.
        done = len(self._outcomes) + sum(list(self._shares.values()))
        share = min(done / len(self._cases), 1.0)
        if share > self._shown or step not in self._steps:
            self._shown = max(self._shown, share)
            self._steps.add(step)
            self._progress(step, self._shown, text)


def _models(model: str | Path | Sequence[str | Path]) -> tuple[str, ...]:
    """The models by name or absolute path, each looked at."""
    names = [model] if isinstance(model, (str, Path)) else list(model)
    for name in names:
        read_card(name)
    shipped = shipped_models()
    return tuple(str(name) if str(name) in shipped else os.path.abspath(name) for name in names)  # noqa: PTH100, links stay
