"""The program that a `worker.Worker` runs: jobs come in on standard input, news of them go out on standard output."""

from __future__ import annotations

import os
import pickle
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import BinaryIO

from .process_group import end_own_group
from .worker import outcome


def main() -> None:
    """Do the jobs as they come, until there is nobody any more who could send one."""
    jobs, news = _own_pipes()
    sys.path[:] = pickle.load(jobs)
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    threading.Thread(target=_read, args=(jobs, waiting), daemon=True).start()
    while True:
        _send(news, _do(waiting.get(), news))


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The pipes; whatever a library prints goes to standard error from here on."""
    jobs, news = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return jobs, news


def _read(jobs: BinaryIO, waiting: queue.SimpleQueue) -> None:
    while True:
        try:
            waiting.put(pickle.load(jobs))
        except EOFError:
            end_own_group()  # the one that sends the jobs is gone


def _do(content: bytes, news: BinaryIO) -> bytes:
    """Do a job; the message of how it ended, pickled here, where that it cannot be is told like any other fault."""
    try:
        job, arguments, options = pickle.loads(content)
        return pickle.dumps(outcome(job, arguments, options, lambda *one: _send(news, pickle.dumps(("progress", one)))))
    except Exception:
        return pickle.dumps(("failure", traceback.format_exc()))


def _send(news: BinaryIO, message: bytes) -> None:
    news.write(message)
    news.flush()


if __name__ == "__main__":
    main()
