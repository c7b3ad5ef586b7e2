"""The section of the panel that compares CTs of one patient in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt
import slicer
from COVIDMTLLib.follow.change import NO_CHANGE
from COVIDMTLMRML.exports import INSTANCES
from COVIDMTLMRML.follow import date_of
from COVIDMTLMRML.volumes import ct_nodes
from slicer.i18n import tr as _

CT, DATE = 0, 1
"""Columns of the table."""

PAGE = "follow.html"


class FollowSection:
    """Lets the user choose two or more CTs of the scene and say when they were made, and shows the page of them.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel.
    """

    def __init__(self, ui):
        self._ui, self._running = ui, False
        self._nodes: list[Any] = []
        self._rows: list[tuple[str, str, str]] = []
        self._chosen: set[str] = set()
        self._typed: dict[str, str] = {}
        self._of_files: dict[tuple[str, str | None], str] = {}
        ui.followOutputPath.settingKey = "COVIDMTLFollowOutput"  # brings the path of the last run
        ui.followOutputPath.connect("currentPathChanged(QString)", self.onChanged)
        ui.followTable.connect("cellChanged(int,int)", self.onCellChanged)
        ui.followCollapsibleButton.connect("contentsCollapsed(bool)", self.onOpened)
        ui.followPageButton.connect("clicked(bool)", self.onPage)
        header = ui.followTable.horizontalHeader()
        header.setSectionResizeMode(CT, qt.QHeaderView.Stretch)
        header.setSectionResizeMode(DATE, qt.QHeaderView.ResizeToContents)

    @property
    def cts(self) -> dict[Any, str]:
        """The CTs that are chosen, and when each was made; empty where that is not known."""
        return {node: self._date(node) for node in self._nodes if node.GetID() in self._chosen}

    @property
    def out(self) -> str:
        """The folder for the results."""
        return self._ui.followOutputPath.currentPath

    def show(self, running: bool) -> None:
        """Bring the section up to date with the scene; ``running`` says whether a job of the panel runs."""
        self._running = running
        self._nodes = ct_nodes(slicer.mrmlScene)
        rows = [(node.GetID(), node.GetName(), self._date(node)) for node in self._nodes]
        if rows != self._rows:  # else what is being typed would be lost
            self._rows = rows
            self._fill()
        self._show_buttons()

    def _show_buttons(self) -> None:
        ui = self._ui
        ready = len(self.cts) > 1 and bool(self.out.strip())
        ui.followButton.enabled = ready and not self._running
        ui.followButton.toolTip = (
            _("Measure the CTs, lay their lungs on each other, and show what has changed")
            if ready
            else _("Choose two or more CTs of one patient and a folder for the results")
        )
        ui.followPageButton.enabled = bool(self.out.strip()) and (Path(self.out) / PAGE).is_file()

    def onChanged(self, path: str = "") -> None:
        """Called when another folder was chosen."""
        self._show_buttons()

    def onOpened(self, collapsed: bool) -> None:
        """Called when the section was folded out or away: the scene says more of its CTs once they are loaded."""
        self.show(self._running)

    def onCellChanged(self, row: int, column: int) -> None:
        """Called when the user has chosen a CT, or no longer, or typed a date in."""
        node, item = self._nodes[row], self._ui.followTable.item(row, column)
        if column == DATE:
            self._typed[node.GetID()] = item.text().strip()
        elif item.checkState() == qt.Qt.Checked:
            self._chosen.add(node.GetID())
        else:
            self._chosen.discard(node.GetID())
        self._show_buttons()  # and not the table, whose item this is about

    def onPage(self) -> None:
        """Show the page of the results in the web browser."""
        self.open_page(self.out)

    def open_page(self, out: str) -> None:
        """Show the page of some results in the web browser."""
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(Path(out).absolute() / PAGE)))

    def keep_path(self) -> None:
        """Remember the folder for the next time."""
        self._ui.followOutputPath.addCurrentPathToHistory()

    def _date(self, node) -> str:
        # The section is brought up to date at each change of the scene, and a file is read once.
        loaded = node.GetID(), node.GetAttribute(INSTANCES)
        if loaded not in self._of_files:
            self._of_files[loaded] = date_of(node)
        return self._typed.get(node.GetID()) or self._of_files[loaded]

    def _fill(self) -> None:
        table = self._ui.followTable
        there = {identifier for identifier, *_rest in self._rows}
        self._chosen &= there
        self._typed = {identifier: date for identifier, date in self._typed.items() if identifier in there}
        self._of_files = {loaded: date for loaded, date in self._of_files.items() if loaded[0] in there}
        table.blockSignals(True)
        table.rowCount = len(self._rows)
        for row, (identifier, name, date) in enumerate(self._rows):
            item = qt.QTableWidgetItem(name)
            item.setFlags(qt.Qt.ItemIsEnabled | qt.Qt.ItemIsUserCheckable)
            item.setCheckState(qt.Qt.Checked if identifier in self._chosen else qt.Qt.Unchecked)
            table.setItem(row, CT, item)
            table.setItem(row, DATE, qt.QTableWidgetItem(date))
        table.blockSignals(False)


def in_words(result: dict[str, Any]) -> str:
    """What has become of the opacities from the first CT to the last one, for the panel."""
    change = result["changes"][-1]["measures"]["both_opacity_share"]
    if change is None:
        return _("Done.")
    if change["verdict"] == NO_CHANGE:
        said = _("no change beyond the measurement")
    else:
        said = _("increased") if change["change"] > 0 else _("decreased")
    text = _("Opacities from the first CT to the last: {said} ({change:+.1f} points, {low:+.1f} to {high:+.1f}).")
    points = {name: 100 * change[name] for name in ("change", "low", "high")}
    warned = _(" Warnings: {count}.").format(count=len(result["warnings"])) if result["warnings"] else ""
    return text.format(said=said, **points) + warned
