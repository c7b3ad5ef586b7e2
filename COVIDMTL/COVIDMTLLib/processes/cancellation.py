"""Running a job in a process of its own, so that it can be stopped at any moment.

A signal handler of Python's waits until compiled code returns, and a grey-level matrix of a whole
lung takes longer than anyone who pressed Ctrl-C will wait. The process that was started therefore
only watches, and ends the one that works.
"""

from __future__ import annotations

import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..utils.errors import InputError
from ..utils.progress import Callback
from .process_group import JOB_FOLDER, end_with_standard_input
from .worker import Worker, WorkerFailed, end_all
from .worker import log as workers_log

__all__ = ["Stopped", "WorkerFailed", "run_supervised", "serving", "stoppable"]


class Stopped(SystemExit):
    """The job was stopped by a signal; its exit code is 128 + the signal's number.

    Parameters
    ----------
    code : int
    what : str, optional
        What is to be said of it.
    """

    code: int

    def __init__(self, code: int, what: str = "nothing was written"):
        super().__init__(code)
        self.what = what


def run_supervised(job: Callable[..., Any], *arguments: Any, progress: Callback, **options: Any) -> Any:
    """Run ``job(*arguments, progress=..., **options)`` in a child process and return its result.

    The child is ended at once if an exception, such as that of `stoppable`, interrupts the wait.

    Raises
    ------
    InputError, WorkerFailed
        As `Worker.run` does.
    """
    worker = Worker()
    try:
        return worker.run(job, *arguments, progress=progress, **options)
    finally:
        worker.end()


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`, so that whatever is under way cleans up after itself."""

    def stop(number: int, _frame: Any) -> None:
        for caught in previous:  # one is enough: a second must not interrupt the cleaning up
            signal.signal(caught, signal.SIG_IGN)
        raise Stopped(128 + number)

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in previous:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def serving(folder: str | None) -> Iterator[None]:
    """Work for a program that holds standard input and reads standard error as a log; use it within `stoppable`.

    Parameters
    ----------
    folder : str, optional
        Is removed if the work fails or is stopped, for the program that made it may have crashed; may be empty. With
        None nobody is served.

    Raises
    ------
    InputError
        If the folder is none that was made for a job, and so none to remove.
    """
    if folder is None:
        yield
        return
    if folder and not Path(folder).name.startswith(JOB_FOLDER):
        raise InputError(
            f"{folder} was not made for a job, and is not removed; its name has to begin with {JOB_FOLDER}."
        )
    workers_log.addHandler(logging.StreamHandler())
    workers_log.setLevel(logging.DEBUG)
    end_with_standard_input(end_all)
    try:
        yield
    except BaseException:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
        raise
