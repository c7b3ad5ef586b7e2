"""A process that does one job after the other, and can be ended at any moment with all that it started.

It is started as a program of its own rather than by multiprocessing, which a worker of Dask's may not use: its
environment is set before it imports anything, and nothing of the program that starts it is imported again.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..utils.errors import NOT_OURS, InputError, sentence
from ..utils.progress import Callback
from .process_group import end_group, own_group

log = logging.getLogger(__name__)

MOST_LINES = 40
"""Of what libraries printed before a process died, that are told then."""


class WorkerFailed(RuntimeError):
    """The worker ended in an error that is none of the input's; the message is its traceback."""


class WorkerDied(WorkerFailed):
    """The process of the worker is gone: killed, out of memory, or ended by `Worker.end`."""


_WORKERS: weakref.WeakSet[Worker] = weakref.WeakSet()


class Worker:
    """A process of its own, which ends with this one.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables, beside those of this process.
    """

    def __init__(self, environment: Mapping[str, str] | None = None):
        paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker_main"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)} | dict(environment or {}),
            **own_group(),  # Ctrl-C in a terminal reaches the watching process alone
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self._jobs, self._results = self._process.stdin, self._process.stdout
        self._said: deque[str] = deque(maxlen=MOST_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        _WORKERS.add(self)
        threading.Thread(target=self._bury, daemon=True).start()
        self._send(sys.path)  # what a job is pickled by is found there as it is here

    def run(self, job: Callable[..., Any], *arguments: Any, progress: Callback, **options: Any) -> Any:
        """Run ``job(*arguments, progress=..., **options)`` in the process and return its result.

        Raises
        ------
        InputError
            As the job raised it, or if a file could not be read or written.
        WorkerDied
            If the process ended; no other job can be run in it.
        WorkerFailed
            If the job raised anything else.
        """
        self._send(pickle.dumps((job, arguments, options)))
        while True:
            kind, content = self._receive()
            if kind != "progress":
                return unpack(kind, content)
            progress(*content)

    def end(self) -> None:
        """End the process and all that it started, at once."""
        if self._process.poll() is None:
            end_group(self._process)
        self._process.wait()

    def _listen(self) -> None:
        """Take what libraries print, of warnings of theirs about a file, say: of no use but where the process dies."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.append(line.decode(errors="replace").rstrip())
            log.debug("%s", self._said[-1])

    def _send(self, content: Any) -> None:
        try:
            pickle.dump(content, self._jobs)
            self._jobs.flush()
        except (OSError, ValueError):  # the pipe is broken, or was and is closed; `_receive` says why
            with suppress(OSError):
                self._jobs.close()

    def _receive(self) -> tuple[str, Any]:
        try:
            return pickle.load(self._results)
        except (EOFError, pickle.UnpicklingError) as error:
            code = self._process.wait()
            self._listener.join(timeout=1.0)  # to the end of what it said, unless what it started lives on
            said = "".join(f"\n{line}" for line in list(self._said))
            raise WorkerDied(
                f"The process that did the work ended with exit code {code}; was the memory enough?{said}"
            ) from error

    def _bury(self) -> None:
        """What a dead worker has started must not live on, nor keep its pipe open, at whose end its death is seen."""
        self._process.wait()
        end_group(self._process)


def end_all() -> None:
    """End all workers of this process; for another thread than those that wait for their results."""
    for worker in list(_WORKERS):
        worker.end()


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
