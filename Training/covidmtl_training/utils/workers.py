"""Working on many cases at a time, in processes that never outlive the first one."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

import SimpleITK as sitk
from COVIDMTLLib.utils.errors import InputError


@contextmanager
def workers(jobs: int, finish: bool = False) -> Iterator[Callable]:
    """Give a function like `map`, its results in any order, that works here or in several processes.

    Ctrl-C ends all of them at once, and what they were writing is for the caller to remove; with ``finish`` they come
    to the end of the cases under way first.

    Raises
    ------
    InputError
        If a process died.
    """
    if jobs == 1:
        yield map
        return
    pool = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _start_worker, (jobs, finish))
    try:
        yield lambda job, cases: (done.result() for done in as_completed(_submitted(pool, job, cases)))
    except BrokenProcessPool as error:
        raise InputError(
            "A process died, perhaps for want of memory; the same command with fewer --jobs goes on from here."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _submitted(pool: ProcessPoolExecutor, job: Callable, cases: Iterable) -> list[Future]:
    # Processes start with the first of them, and are deaf to Ctrl-C until they know what to do then.
    before = _mask("SIG_BLOCK", {signal.SIGINT})
    try:
        return [pool.submit(job, case) for case in cases]
    finally:
        _mask("SIG_SETMASK", before)


def _mask(how: str, signals: Iterable[int]) -> Iterable[int]:
    # Windows has no masks of signals.
    return signal.pthread_sigmask(getattr(signal, how), signals) if hasattr(signal, "pthread_sigmask") else signals


def _start_worker(jobs: int, finish: bool) -> None:
    # Ctrl-C reaches all processes. If the first is killed, the others end, too.
    signal.signal(signal.SIGINT, signal.SIG_IGN if finish else signal.SIG_DFL)
    _mask("SIG_UNBLOCK", {signal.SIGINT})
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(max(1, (os.cpu_count() or 1) // jobs))


def _exit_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)
