"""The command line as a child process of another program, such as 3D Slicer.

The program stays responsive, can end the job at once, and survives whatever happens to it.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .errors import InputError
from .laboratory import check_labs
from .progress import Callback, silent

STOPPING = 2.0
"""Seconds that a job is given to clean up after itself before it is killed."""


class ChildFailed(RuntimeError):
    """The child ended in an error that is none of the input's; the message is fit to be shown."""


class Child:
    """A ``covid-mtl`` command that runs in a process of its own.

    Parameters
    ----------
    arguments : sequence
        Command and options, without ``--progress``.
    python : str, optional
        The Python to run it with; by default the one that runs this. Inside Slicer that is its PythonSlicer.
    """

    def __init__(self, *arguments: object, python: str = sys.executable):
        package = Path(__file__).parent.parent
        paths = [str(package), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [python, "-m", __package__, *map(str, arguments), "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._news: queue.Queue = queue.Queue()
        self._errors: list[str] = []
        self._done = False
        self._readers = [
            threading.Thread(target=self._read_news, daemon=True),
            threading.Thread(target=self._read_errors, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def log(self) -> list[str]:
        """The lines on the process's standard error until now."""
        return [line.rstrip() for line in self._errors]

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
            for reader in self._readers:
                reader.join()
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
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _check(self) -> None:
        code = self._process.returncode
        if code == 0 and self._done:
            return
        text = "".join(self._errors).strip().removeprefix("covid-mtl: ")
        if code == 2:
            raise InputError(text)
        if code < 0:
            raise ChildFailed(f"The process that did the work was ended by signal {-code}; was the memory enough?")
        raise ChildFailed(text or f"The process that did the work ended with exit code {code} before it was done.")

    def _read_news(self) -> None:
        for line in self._process.stdout:
            news = json.loads(line)
            # The exit code alone will not do: a program that waits for whichever child ends takes it away.
            self._done = news["step"] == "done"
            self._news.put((news["step"], news["fraction"], news["text"]))

    def _read_errors(self) -> None:
        self._errors.extend(self._process.stderr)


def assess_in_child(
    ct: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    labs: str | Path | Mapping[str, Any] | None = None,
    progress: Callback = silent,
    python: str = sys.executable,
    **options: Any,
) -> None:
    """Assess one CT in a process of its own. Research use only.

    Parameters
    ----------
    ct : path
        Image file or DICOM folder.
    out : path
        Folder for the results; it is left as it was if anything goes wrong.
    name : str, optional
        What to call the CT; the name of its file by default.
    labs : path or mapping, optional
        Laboratory values, as `patient.check_patient` takes them.
    progress, python
        As of `Child`; what ``progress`` raises ends the job.
    **options
        The other options of ``covid-mtl assess``, such as ``model``, ``refine``, ``lungs`` and ``age``;
        with None or False one is left out, with True given without a value, with a list several times.

    Raises
    ------
    InputError
        With one sentence on what is wrong with the input and what to do.
    ChildFailed
        If the process ended for any other reason.
    """
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(labs, Mapping):
            labs = _as_file(check_labs(labs), Path(folder) / "labs.json")
        options |= {"name": name, "labs": labs}
        given = {key: value for key, value in options.items() if value is not None and value is not False}
        several = {key: value if isinstance(value, (list, tuple)) else [value] for key, value in given.items()}
        # In one word with its option, a value may begin with a hyphen.
        words = [
            f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
            for key, values in several.items()
            for value in values
        ]
        Child("assess", ct, "--out", out, *words, python=python).wait(progress)


def _as_file(labs: dict[str, float], path: Path) -> Path | None:
    """Write laboratory values as ``--labs`` takes them; None if there are none."""
    if not labs:
        return None
    path.write_text(json.dumps(labs), encoding="utf-8")
    return path
