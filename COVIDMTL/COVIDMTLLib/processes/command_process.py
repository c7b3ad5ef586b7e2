"""The command line as a child process of another program, such as 3D Slicer.

The program stays responsive, can end the job at once, and survives whatever happens to it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..utils.errors import InputError
from ..utils.progress import Callback, silent
from .process_group import end_group, own_group

STOPPING = 1.5
"""Seconds that a job is given to clean up after itself before it is ended by force."""

MOST_LOG_LINES = 10_000
"""Lines of a job's log that are kept; what a library says in a loop must not fill the memory."""


class ChildFailed(RuntimeError):
    """The child ended in an error that is none of the input's; the message is fit to be shown."""


class Child:
    """A ``covid-mtl`` command that runs in a process of its own.

    Parameters
    ----------
    *arguments : object
        Command, options, and after ``--`` what may begin with a hyphen.
    python : str, optional
        The Python to run it with; by default the one that runs this. Inside Slicer that is its PythonSlicer, a
        launcher that starts the real Python as a process of its own (see `process_group`).
    folder : path, optional
        Made for the job; the job removes it if it fails or is stopped, for this program may have crashed by then.

    Attributes
    ----------
    log : list of str
        What the job and its libraries say besides progress, line by line; it grows while the job runs.
    """

    def __init__(self, *arguments: object, python: str = sys.executable, folder: str | Path = ""):
        package = Path(__file__).parents[2]
        paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        words = [str(argument) for argument in arguments]
        end = words.index("--") if "--" in words else len(words)
        words[end:end] = ["--progress", "json", f"--end-with-input={folder}"]
        self._process = subprocess.Popen(
            [python, "-m", __package__.partition(".")[0], *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
            **own_group(),
        )
        self.log: list[str] = []
        self._news: queue.Queue = queue.Queue()
        self._error: tuple[str, str] | None = None
        self._done = False
        self._readers = [
            threading.Thread(target=self._read_news, daemon=True),
            threading.Thread(target=self._read_log, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def poll(self, progress: Callback) -> bool:
        """Pass on the progress since the last call; returns whether the job still runs.

        Raises
        ------
        InputError
            If the job ended because of its input.
        ChildFailed
            If it ended for any other reason.
        """
        running = self._process.poll() is None
        if not running:
            self._end()  # of a launcher that was killed, the job may be left
        while not self._news.empty():
            progress(*self._news.get())
        if not running:
            self._check()
        return running

    def wait(self, progress: Callback = silent) -> None:
        """Block until the job has ended, passing on its progress; raises as `poll` does.

        An exception that interrupts the wait, from ``progress`` for one, cancels the job.
        """
        try:
            while self.poll(progress):
                try:
                    self._process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """End the job, so that nothing of it is left; returns when it has ended."""
        self._end()
        self._process.wait()

    def _end(self) -> None:
        """Tell the job to end, and end it by force if it does not; nothing reads its pipes any more after that."""
        assert self._process.stdin is not None
        with suppress(OSError):  # nobody may be there to be told
            self._process.stdin.close()
        # Every process of the job holds the pipes, which end when all of them have ended.
        until = time.monotonic() + STOPPING
        for reader in self._readers:
            reader.join(max(0.0, until - time.monotonic()))
        if any(reader.is_alive() for reader in self._readers):
            end_group(self._process)
            for reader in self._readers:
                reader.join(STOPPING)

    def _check(self) -> None:
        code = self._process.returncode
        if code == 0 and self._done:
            return
        if self._error is not None:
            kind, text = self._error
            raise InputError(text) if kind == "input" else ChildFailed(text)
        wrong_options = [line for line in self.log if line.startswith("covid-mtl") and ": error: " in line]
        if code == 2 and wrong_options:
            raise InputError(wrong_options[-1].split(": error: ", 1)[1])
        if code < 0:
            raise ChildFailed(f"The process that did the work was ended by signal {-code}; was the memory enough?")
        said = f" The last that it said: {self.log[-1]}" if self.log else ""
        raise ChildFailed(f"The process that did the work ended with exit code {code} before it was done.{said}")

    def _read_news(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            # What a stranger left of a line without its end stands before the news; within them quotes are escaped.
            begin = max(line.find('{"step": '), 0)
            try:
                self._take(json.loads(line[begin:]))
            except (ValueError, KeyError, TypeError, RecursionError):  # a line of somebody else's
                begin = len(line)
            if begin:
                self._keep(line[:begin])

    def _take(self, news: Any) -> None:
        step, text = str(news["step"]), str(news["text"])
        if step == "error":
            self._error = news["kind"], text
            return
        self._news.put((step, float(news["fraction"]), text))
        # The exit code alone will not do: a program that waits for whichever child ends takes it away.
        self._done = step == "done"

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._keep(line)

    def _keep(self, line: str) -> None:
        if len(self.log) < MOST_LOG_LINES:
            self.log.append(line.rstrip("\n"))
