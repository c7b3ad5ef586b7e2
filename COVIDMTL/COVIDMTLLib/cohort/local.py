"""Processes of this machine that assess cases."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..utils.cpu import cores
from ..utils.progress import Callback
from .case_process import Attendant
from .outcome import Outcome
from .table import Case


class LocalWorkers:
    """A number of processes, each of which assesses one case after the other.

    Parameters
    ----------
    number : int
    folder : Path
        Where the folders of the cases are.
    models, device, options
        As of `case.assess_case`.
    progress : callable
        Is told the name of a case that is being assessed and the share of it that is done, in any thread.

    Attributes
    ----------
    slots : int
        How many cases there may be at once.
    """

    def __init__(
        self,
        number: int,
        folder: Path,
        models: tuple[str, ...],
        device: str,
        options: dict[str, Any],
        progress: Callable[[str, float], None],
    ):
        threads = str(max(1, cores() // number))
        environment = dict.fromkeys(("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"), threads)
        self.slots = number
        self._folder, self._models, self._device, self._options = folder, models, device, options
        self._progress = progress
        self._tasks: queue.SimpleQueue = queue.SimpleQueue()
        self._ended: queue.SimpleQueue = queue.SimpleQueue()
        self._attendants = [Attendant(environment) for _ in range(number)]

    def start(self) -> None:
        """Start to work; raises `InputError` if nothing can be assessed with such models on such a device."""
        self._attendants[0].prepare(self._models, self._device)
        for attendant in self._attendants:
            threading.Thread(target=self._work, args=(attendant,), daemon=True).start()

    def submit(self, case: Case, again: bool, wait: bool) -> None:
        """Have a case assessed, as `case.assess_case` does."""
        self._tasks.put((case, again, wait))

    def next(self, seconds: float) -> tuple[Case, Outcome | None] | None:
        """A case that has come to an end, and what came of it; None if there is none for so long."""
        try:
            case, outcome = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(outcome, BaseException):
            raise outcome
        return case, outcome

    def close(self) -> None:
        """End all processes at once."""
        for attendant in self._attendants:
            attendant.end()

    def _work(self, attendant: Attendant) -> None:
        while not attendant.ended:
            case, again, wait = self._tasks.get()
            try:
                outcome: Any = attendant.assess(
                    case,
                    self._folder,
                    self._models,
                    self._device,
                    self._options,
                    again=again,
                    wait=wait,
                    progress=self._progress_of(case.name),
                )
            except BaseException as error:  # it is the run's, which goes on in another thread
                outcome = error
            self._ended.put((case, outcome))

    def _progress_of(self, name: str) -> Callback:
        return lambda step, fraction, text: self._progress(name, fraction)
