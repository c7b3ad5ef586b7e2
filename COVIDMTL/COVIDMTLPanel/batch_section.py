"""The section Batch of the panel COVIDMTL: all CTs of a folder or a table, by ``covid-mtl cohort``."""

from __future__ import annotations

from pathlib import Path

import qt
import slicer
from COVIDMTLLib.child import Child
from COVIDMTLLib.cohort.results import SUMMARY
from COVIDMTLMRML.runs import job_python

from .background import Background

SETTINGS = {"batchInputEdit": "COVIDMTL/BatchInput", "batchOutputEdit": "COVIDMTL/BatchOutput"}
"""Where Slicer's settings keep the paths, by their widgets."""


class BatchSection:
    """Starts batches, and keeps where their CTs and results are between sessions.

    Parameters
    ----------
    ui
        The widgets of the panel by name.
    changed : callable
        Is called when a path was changed.
    """

    def __init__(self, ui, changed):
        self._ui = ui
        for widget, setting in SETTINGS.items():
            path = getattr(ui, widget)
            path.currentPath = slicer.app.settings().value(setting, "")
            path.connect("currentPathChanged(QString)", lambda _path: changed())

    @property
    def ready(self) -> bool:
        """Whether there is a folder or a table, and a folder for the results."""
        return all(getattr(self._ui, widget).currentPath for widget in SETTINGS)

    def start(self, model: str, device: str, **callbacks) -> Background:
        """Start to assess all CTs; ``finished`` is told the path of the summary page."""
        for widget, setting in SETTINGS.items():
            slicer.app.settings().setValue(setting, getattr(self._ui, widget).currentPath)
        table, out = (Path(getattr(self._ui, widget).currentPath) for widget in SETTINGS)
        options = [f"--out={out}", f"--model={model}", "--device", device]
        child = Child("cohort", *options, "--", table, python=job_python())
        return Background(child, lambda: out / SUMMARY, **callbacks)


def open_page(path: Path) -> None:
    """Show a page in the web browser."""
    qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
