"""A second process that does one part of a job while this one does the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from ..utils.cpu import cores
from ..utils.optional_imports import require
from ..utils.progress import Callback, silent
from .worker import Worker

ALONE = {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}


class Aid:
    """A process that does what it is given, one job after the other; see `aid`."""

    def __init__(self) -> None:
        self._worker, self._waiting = Worker(ALONE), ThreadPoolExecutor(1)

    def start(self, job: Callable[..., Any], *arguments: Any) -> Future:
        """Have ``job(*arguments, progress=...)`` done; the future raises what `worker.Worker.run` does."""
        return self._waiting.submit(self._worker.run, job, *arguments, progress=silent)

    def end(self) -> None:
        """End the process, whatever it is at."""
        self._worker.end()
        self._waiting.shutdown()


@contextmanager
def aid(*modules: str) -> Iterator[Aid | None]:
    """A process that imports some modules while there is nothing else to do; None if there is but one core."""
    if cores() < 2:
        yield None
        return
    process = Aid()
    try:
        process.start(_import, modules)
        yield process
    finally:
        process.end()


def _import(modules: tuple[str, ...], progress: Callback) -> None:
    require(*modules)
