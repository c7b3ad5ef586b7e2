"""The section of the panel that assesses many CTs, from files to files; the scene has no part in it."""

from __future__ import annotations

from pathlib import Path

import qt
from COVIDMTLLib.cohort.output import CASES, SUMMARY
from COVIDMTLLib.utils.cpu import cores
from slicer.i18n import tr as _


class BatchSection:
    """Takes a folder or a table of CTs and a folder for the results, and shows the summary of what is there.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel.
    """

    def __init__(self, ui):
        self._ui, self._running = ui, False
        for edit, key in ((ui.batchInputPath, "COVIDMTLBatchInput"), (ui.batchOutputPath, "COVIDMTLBatchOutput")):
            edit.settingKey = key  # brings the path of the last run
            edit.connect("currentPathChanged(QString)", self.onPathChanged)
        ui.batchJobsSpinBox.maximum = max(1, cores())
        ui.batchTableButton.connect("clicked(bool)", self.onTable)
        ui.batchSummaryButton.connect("clicked(bool)", self.onSummary)

    @property
    def table(self) -> str:
        """The folder or table of CTs."""
        return self._ui.batchInputPath.currentPath

    @property
    def out(self) -> str:
        """The folder for the results."""
        return self._ui.batchOutputPath.currentPath

    @property
    def jobs(self) -> int:
        """How many CTs to assess at once."""
        return self._ui.batchJobsSpinBox.value

    def show(self, running: bool) -> None:
        """Bring the section up to date with its folders; ``running`` says whether a job of the panel runs."""
        ui, self._running = self._ui, running
        given = bool(self.table.strip() and self.out.strip())
        out = Path(self.out)
        begun = given and (out / CASES).is_dir()
        ui.batchButton.enabled = given and not running
        ui.batchButton.text = _("Go on") if begun else _("Start")
        if not given:
            ui.batchButton.toolTip = _("Choose the CTs and a folder for the results")
        elif begun:
            ui.batchButton.toolTip = _(
                "Assess the CTs that have no result yet, or failed; results that are there are kept"
            )
        else:
            ui.batchButton.toolTip = _("Assess all CTs with the model, the device and the method chosen above")
        ui.batchSummaryButton.enabled = given and (out / SUMMARY).is_file()

    def keep_paths(self) -> None:
        """Remember the folders for the next time."""
        self._ui.batchInputPath.addCurrentPathToHistory()
        self._ui.batchOutputPath.addCurrentPathToHistory()

    def onPathChanged(self, path: str = "") -> None:
        """Called when another folder or table was chosen."""
        self.show(self._running)

    def onTable(self) -> None:
        """Let the user choose a table of CTs."""
        file = qt.QFileDialog.getOpenFileName(
            self._ui.batchTableButton, _("Choose a table of CTs"), "", _("Tables (*.csv *.parquet)")
        )
        if file:
            self._ui.batchInputPath.currentPath = file

    def onSummary(self) -> None:
        """Show the summary of the results in the web browser."""
        self.open_summary(self.out)

    def open_summary(self, out: str) -> None:
        """Show the summary of some results in the web browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(Path(out).absolute() / SUMMARY)))
