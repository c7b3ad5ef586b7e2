"""A process for one case after the other, whatever happens to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..assessment.options import AssessmentOptions
from ..processes.worker import Worker, WorkerDied
from ..utils.progress import Callback, silent
from .case import assess_case, fail_case, prepare
from .outcome import Outcome
from .table import Case

TRIES = 3
"""How often a case may end the process that it is assessed in before it is a failed one."""

DIED = f"The process that assessed it died {TRIES} times; was the memory enough?"

CASES_A_PROCESS = 50
"""After so many cases a new process is begun with, so that what libraries do not give back cannot add up."""


class Attendant:
    """Has cases assessed, one after the other, in a process that is replaced when it dies.

    Parameters
    ----------
    environment : dict, optional
        Of the process, beside that of this one.
    """

    def __init__(self, environment: dict[str, str] | None = None):
        self._environment = environment
        self._worker: Worker | None = None
        self._cases = 0
        self.ended = False

    def prepare(self, options: AssessmentOptions) -> None:
        """Load the models; raises `InputError` if that cannot be."""
        self._run(prepare, options, progress=silent)

    def assess(
        self,
        case: Case,
        folder: Path,
        options: AssessmentOptions,
        *,
        again: bool,
        wait: bool,
        progress: Callback = silent,
    ) -> Outcome | None:
        """`case.assess_case`, in the process; a case that it died of too often is a failed one.

        Raises
        ------
        WorkerDied
            If the process died because the attendant was ended.
        """
        for _ in range(TRIES):
            if self._cases >= CASES_A_PROCESS:
                self._discard()
            try:
                outcome = self._run(assess_case, case, folder, options, again=again, wait=wait, progress=progress)
                self._cases += 1
                return outcome
            except WorkerDied:
                self._discard()
                if self.ended:
                    raise
        return fail_case(case.name, folder, DIED)

    def end(self) -> None:
        """End the process, at once and for good; may be called from another thread."""
        self.ended = True
        self._discard()

    def _run(self, job: Any, *arguments: Any, **options: Any) -> Any:
        if self._worker is None:
            self._worker, self._cases = Worker(self._environment), 0
        worker = self._worker
        if self.ended:  # while the process was started
            self._discard()
        return worker.run(job, *arguments, **options)

    def _discard(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()
