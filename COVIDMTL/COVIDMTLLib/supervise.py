"""Running a job in a process of its own, so that it can be stopped at any moment.

A signal handler of Python's waits until compiled code returns, and a grey-level matrix of a whole
lung takes longer than anyone who pressed Ctrl-C will wait. The process that was started therefore
only watches, and ends the one that works.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from .errors import NOT_OURS, InputError, sentence
from .progress import Callback


class Stopped(SystemExit):
    """The job was stopped by a signal; its exit code is 128 + the signal's number."""


class WorkerFailed(RuntimeError):
    """The worker ended in an error that is none of the input's; the message is its traceback."""


def run_supervised(job: Callable[..., Any], *arguments: Any, progress: Callback, **options: Any) -> Any:
    """Run ``job(*arguments, progress=..., **options)`` in a child process and return its result.

    The child is ended at once if an exception, such as that of `stoppable`, interrupts the wait.

    Raises
    ------
    InputError
        As the job raised it, or if a file could not be read or written.
    WorkerFailed
        If the job raised anything else, or its process died.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    worker = context.Process(target=_work, args=(theirs, job, arguments, options))
    try:
        worker.start()
        theirs.close()
        while True:
            kind, content = _receive(ours, worker)
            if kind == "progress":
                progress(*content)
            else:
                return unpack(kind, content)
    finally:
        _end(worker)


@contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into `Stopped`, so that whatever is under way cleans up after itself."""

    def stop(number: int, frame: Any) -> None:
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


def _receive(connection: Connection, worker: multiprocessing.Process) -> tuple[str, Any]:
    try:
        return connection.recv()
    except EOFError:
        worker.join()
        return "died", f"The process that did the work ended with exit code {worker.exitcode}; was the memory enough?"


def _end(worker: multiprocessing.Process) -> None:
    if worker.pid is None:
        return
    try:
        os.killpg(worker.pid, signal.SIGKILL)
    except (
        AttributeError,
        ProcessLookupError,
        PermissionError,
    ):  # Windows; or it has not made its group yet, or is gone
        worker.kill()
    worker.join()


def _work(connection: Connection, job: Callable[..., Any], arguments: tuple, options: dict) -> None:
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C in a terminal reaches the watching process alone, and one signal ends all of this group
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    connection.send(outcome(job, arguments, options, lambda *news: connection.send(("progress", news))))


def outcome(job: Callable[..., Any], arguments: tuple, options: dict, progress: Callback) -> tuple[str, Any]:
    """Run a job, and say how it ended: ``result``, ``input error`` or ``failure``, and what is to be told of it."""
    try:
        return "result", job(*arguments, progress=progress, **options)
    except NOT_OURS as error:
        return "input error", sentence(error)
    except Exception:
        return "failure", traceback.format_exc()


def unpack(kind: str, content: Any) -> Any:
    """The result of an `outcome`; raises `InputError` or `WorkerFailed` for any other."""
    if kind == "result":
        return content
    raise InputError(content) if kind == "input error" else WorkerFailed(content)


def _exit_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
