"""A job that goes on while the application stays responsive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import qt
from COVIDMTLLib.processes.command_process import Child
from COVIDMTLLib.utils.progress import Callback, silent
from COVIDMTLMRML.runs import Job

INTERVAL = 100
"""Milliseconds between two looks at the job."""


class _Callbacks(NamedTuple):
    finish: Callable[[], Any]
    progress: Callback
    finished: Callable[[Any], None]
    failed: Callable[[Exception], None]


class Background:
    """Watches a run by a timer and finishes it.

    Exactly one of ``finished`` and ``failed`` is called, neither after `cancel`.

    Parameters
    ----------
    run : Job or Child
        Just started.
    finish : callable
        Takes nothing; puts the results of the run into the scene.
    progress : Callback, optional
        Is told step, share done and a line of text.
    finished : callable, optional
        Is told what ``finish`` returned.
    failed : callable, optional
        Is told the exception that ended the run.
    log : callable, optional
        Is told each line that the job has written for the log, by the time that the run is over.
    """

    def __init__(
        self,
        run: Job | Child,
        finish: Callable[[], Any],
        progress: Callback = silent,
        finished: Callable[[Any], None] = lambda result: None,
        failed: Callable[[Exception], None] = lambda error: None,
        log: Callable[[str], None] = lambda line: None,
    ):
        self._run: Job | Child | None = run
        self._callbacks: _Callbacks | None = _Callbacks(finish, progress, finished, failed)
        self._log: Callable[[str], None] | None = log
        self._logged = 0
        self._timer = qt.QTimer()
        self._timer.setInterval(INTERVAL)
        self._timer.connect("timeout()", self._look)
        self._timer.start()

    @property
    def running(self) -> bool:
        """Whether the run is neither finished nor failed nor cancelled."""
        return self._run is not None

    def cancel(self) -> None:
        """End the run at once; nothing is left of it. Does nothing when it is over."""
        run = self._stop()
        if run is not None:
            run.cancel()

    def _look(self) -> None:
        if self._run is None or self._callbacks is None:
            return
        run, (finish, progress, finished, failed) = self._run, self._callbacks
        try:
            running = run.poll(progress)
            self._pass_log(run)
            if running or self._run is None:  # who is told of progress may cancel
                return
            self._stop()
            result = finish()
        except Exception as error:
            self._stop()
            failed(error)
            return
        finished(result)

    def _pass_log(self, run: Job | Child) -> None:
        if self._log is None:  # the run is over, and was told whole
            return
        lines = run.log[self._logged :]
        self._logged += len(lines)
        for line in lines:
            self._log(line)

    def _stop(self) -> Job | Child | None:
        """Forget the run and all that is to be told of it, which may hold volumes; the run, if there still was one."""
        run, self._run = self._run, None
        if run is not None:
            self._timer.stop()
            self._timer.disconnect("timeout()", self._look)
            self._timer.deleteLater()
            self._timer = self._callbacks = None
            self._pass_log(run)
            self._log = None
        return run
