"""How a process ends with all that it has started, on Linux, macOS and Windows; the one place that tells them apart.

3D Slicer runs Python through a launcher, which starts the real one and handles no signal: to end it is to leave
the job running. A job that was started by a program therefore ends itself when its standard input does, which it
does with that program, too, however that ends, and only what does not is ended by force.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

JOB_FOLDER = "covid-mtl-"
"""How the names of folders begin that are made for one job, and that the job may remove."""

GRACE = 10.0
"""Seconds in which a process that is to end cleans up after itself, before it ends as it is."""


def own_group() -> dict[str, Any]:
    """Options of `subprocess.Popen` for a process that `end_group` is to end: it gets a group and no window."""
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW}
    return options


def end_group(process: subprocess.Popen) -> None:
    """End a process that was started with `own_group`, and all that it started, by force and at once."""
    if sys.platform == "win32":
        if process.poll() is None:
            command = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
            subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, **own_group())
            process.kill()
    else:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # nothing of the group is left
            process.kill()


def end_own_group() -> None:
    """End this process and, on POSIX, all of its group; on Windows what it started sees the end of its input."""
    if sys.platform != "win32":
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def end_with_standard_input(end_workers: Callable[[], None]) -> None:
    """Have SIGTERM handled in the main thread when standard input ends, in the same way on all systems.

    Standard input is empty from here on. On Windows, a process that was started with it would wait for what is read
    here before it begins.

    Parameters
    ----------
    end_workers : callable
        Ends the processes whose results the main thread may be waiting for: on Windows no signal wakes it.
    """
    given = os.dup(0)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    threading.Thread(target=_watch, args=(given, end_workers), daemon=True).start()


def _watch(given: int, end_workers: Callable[[], None]) -> None:
    with suppress(OSError):  # the program that gave it crashed
        while os.read(given, 1024):
            pass
    interrupt_main(signal.SIGTERM)
    end_workers()
    time.sleep(GRACE)
    os._exit(128 + signal.SIGTERM)
