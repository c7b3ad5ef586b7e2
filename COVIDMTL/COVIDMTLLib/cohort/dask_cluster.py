"""Workers of a Dask cluster that assess cases.

A worker of Dask's runs tasks in threads, which nothing can end. So each task has its case assessed by a process of its
own, an attendant's, which stays for the next task.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ..utils.cpu import cores
from ..utils.errors import NOT_OURS, InputError
from ..utils.optional_imports import require
from ..utils.version import __version__
from .case import fail_case
from .case_process import TRIES, Attendant
from .outcome import Outcome
from .table import Case

JOINING = 45.0
"""Seconds to wait for a worker of a cluster where there is none."""

ANSWERING = 30.0
"""Seconds within which a worker has to say which version it has."""

PATIENCE = 0.2
"""Seconds between two looks at whether the workers are ready."""

IDLE = 60.0
"""Seconds without a case after which an attendant ends, as when the run that it was for was killed."""

DIED = "The workers of the cluster that it was given to died one after the other; was the memory enough?"
"""Of a case that Dask has given up several times; see its setting distributed.scheduler.allowed-failures."""

AHEAD = 2
"""Cases that a cluster is given at once for each that it can assess at once."""


class ClusterWorkers:
    """The workers of a Dask cluster, as `local.LocalWorkers` are those of this machine.

    Parameters
    ----------
    address : str
        Of the scheduler.
    folder, models, device, options
        As of `case.assess_case`; paths that hold on all machines.

    Raises
    ------
    InputError
        If there is no scheduler at the address.
    MissingPackage
        If distributed is not installed.
    """

    def __init__(self, address: str, folder: Path, models: tuple[str, ...], device: str, options: dict):
        require("distributed")
        from distributed import Client
        from distributed.comm import get_address_host_port

        try:
            get_address_host_port(address)  # a client of what is no address at all would not come to an end
            self._client = Client(address, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"There is no Dask scheduler at {address}; start it, or correct the address.") from error
        self._address, self._run = address, uuid.uuid4().hex
        self._how = (folder, models, device, options)
        self._ended: queue.SimpleQueue = queue.SimpleQueue()
        self._futures: set = set()
        self._deaths: Counter = Counter()
        self._checked: set[str] = set()
        self._seen = time.monotonic()
        self.slots = AHEAD

    def start(self) -> None:
        """Start to work; raises `InputError` if the workers cannot, or there is none."""
        from distributed import KilledWorker

        try:
            self._client.wait_for_workers(1, timeout=JOINING)
        except asyncio.TimeoutError as error:  # which is that of Python from 3.11 on
            raise InputError(
                f"The scheduler at {self._address} has no worker; start some, or see why they do not start."
            ) from error
        self._check_workers()
        _folder, models, device, _ = self._how
        future = self._client.submit(_prepare, self._run, models, device, pure=False)
        while not future.done():
            time.sleep(PATIENCE)
            self._check_workers()
        try:
            future.result()
        except InputError:
            raise
        except KilledWorker as error:
            raise InputError(
                f"The workers of {self._address} died one after the other before the first case; see what they say, or "
                "give them more memory."
            ) from error
        except Exception as error:  # what a worker that cannot do the work raises
            raise self._unable(error) from error

    def submit(self, case: Case, again: bool, wait: bool) -> None:
        """Have a case assessed, as `case.assess_case` does."""
        future = self._client.submit(_assess, self._run, case, *self._how, again=again, wait=wait, pure=False)
        self._futures.add(future)
        future.add_done_callback(lambda done: self._ended.put((case, again, wait, done)))

    def next(self, seconds: float) -> tuple[Case, Outcome | None] | None:
        """A case that has come to an end, and what came of it; None if there is none for so long."""
        from distributed import KilledWorker

        self._check_workers()
        try:
            case, again, wait, future = self._ended.get(timeout=seconds)
        except queue.Empty:
            return None
        self._futures.discard(future)
        if future.status not in ("finished", "error"):
            raise InputError(f"The scheduler at {self._address} is gone; start it and go on with the same command.")
        try:
            outcome = future.result()
        except KilledWorker:
            # Of cases that only wait in a worker that dies, Dask believes the same as of the one that it worked on.
            self._deaths[case.name] += 1
            if self._deaths[case.name] < TRIES:
                self.submit(case, again, wait)
                return None
            outcome = fail_case(case.name, self._how[0], DIED)
        except NOT_OURS:
            raise
        except Exception as error:  # as above
            raise self._unable(error) from error
        return case, outcome

    def close(self) -> None:
        """End all that is still running for this run, and what is kept for it."""
        try:
            self._client.cancel(list(self._futures), force=True)
            self._client.run(_end, self._run, on_error="ignore")
        except OSError:  # without its scheduler, a worker comes to an end by itself
            pass
        self._client.close()

    def _check_workers(self) -> None:
        """Take note of the workers that there are; raises `InputError` if one cannot do the work, or none is left.

        Of a task that a worker without this package is given, Dask says nothing, and it would never end.
        """
        try:
            threads = self._client.nthreads()
        except OSError as error:
            raise InputError(
                f"The scheduler at {self._address} is gone; start it and go on with the same command."
            ) from error
        self.slots = AHEAD * max(1, sum(threads.values()))
        now = time.monotonic()
        self._seen = now if threads else self._seen
        if now - self._seen > JOINING:
            raise InputError(
                f"The workers of {self._address} have died, and no others came; see what they say, start some and go "
                "on with the same command."
            )
        new = [address for address in threads if address not in self._checked]
        if not new:
            return
        for address, found in self._versions(new).items():
            if isinstance(found, ImportError):
                raise self._unable(found, address)
            if isinstance(found, str) and found != __version__:
                raise InputError(
                    f"The worker {address} has version {found} of this program, and here it is {__version__}; install "
                    "the same there as here."
                )
            if isinstance(found, str):
                self._checked.add(address)

    def _versions(self, workers: list[str]) -> dict[str, Any]:
        """The version of this package that each worker has, or the error of finding out, as of one that has died."""
        answers: queue.SimpleQueue = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._client.run(_version_asker(), workers=workers, on_error="return"))
            except (OSError, ValueError):  # one has died since; those that are there are asked again
                answers.put({})

        threading.Thread(target=ask, daemon=True).start()
        try:
            return answers.get(timeout=ANSWERING)
        except queue.Empty as error:
            raise InputError(
                f"The workers of {self._address} do not answer; see what they say, and start them again."
            ) from error

    def _unable(self, error: Exception, worker: str = "") -> InputError:
        said = (str(error).strip() or type(error).__name__).splitlines()[-1].rstrip(".")
        who = f"The worker {worker}" if worker else f"A worker of {self._address}"
        return InputError(f"{who} cannot assess a case ({said}); install the same version there as here.")


def _version_asker() -> Callable[[], str]:
    """A function that tells the version of this package; as a nested one it is sent whole, not by name."""

    def version() -> str:
        # By name, for the worker may have any version of this package.
        return import_module("COVIDMTLLib").__version__

    return version


# What follows runs in the workers of the cluster.

_lock = threading.Lock()
_idle: list[tuple[Attendant, threading.Timer]] = []
_busy: dict[str, set[Attendant]] = defaultdict(set)
"""By the run that they work for."""

_over: set[str] = set()
"""Runs whose tasks have nobody to work for any more."""


def _prepare(run: str, models: tuple[str, ...], device: str) -> None:
    with _attendant(run) as attendant:
        attendant.prepare(models, device)


def _assess(run: str, case: Case, *how: Any, **which: Any) -> Outcome | None:
    with _attendant(run) as attendant:
        return attendant.assess(case, *how, **which)


@contextmanager
def _attendant(run: str) -> Iterator[Attendant]:
    """An attendant that is idle, or a new one."""
    with _lock:
        attendant, timer = _idle.pop() if _idle else (Attendant(_environment()), None)
        _busy[run].add(attendant)
        if run in _over:
            attendant.end()
    if timer is not None:
        timer.cancel()
    try:
        yield attendant
    finally:
        with _lock:
            _busy[run].discard(attendant)
            if not attendant.ended:
                timer = threading.Timer(IDLE, _dismiss, (attendant,))
                timer.daemon = True
                _idle.append((attendant, timer))
                timer.start()


def _dismiss(attendant: Attendant) -> None:
    """End an attendant, unless it was taken in the same moment."""
    with _lock:
        found = [one for one in _idle if one[0] is attendant]
        _idle[:] = [one for one in _idle if one[0] is not attendant]
    for one, _ in found:
        one.end()


def _end(run: str) -> None:
    """End the attendants of a run, those that a task of it would still begin, and those that are idle."""
    with _lock:
        _over.add(run)
        idle, _idle[:] = list(_idle), []
        busy = _busy.pop(run, set())
    for attendant, timer in idle:
        timer.cancel()
        attendant.end()
    for attendant in busy:
        attendant.end()


def _environment() -> dict[str, str]:
    from distributed import get_worker

    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // get_worker().state.nthreads))
    return {"OMP_NUM_THREADS": threads, "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": threads}
