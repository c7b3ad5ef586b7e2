"""The section of a panel with the log of its last job and the versions of what the job ran with."""

from __future__ import annotations

from COVIDMTLLib.utils.software import software


class LogSection:
    """Shows what a job says besides its progress: failed cases, warnings of libraries, reasons of a failure.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel, with ``logCollapsibleButton``, ``versionsLabel`` and ``logText``.
    """

    def __init__(self, ui):
        self._ui = ui
        ui.logCollapsibleButton.connect("contentsCollapsed(bool)", self.onCollapsed)

    def clear(self) -> None:
        """Begin the log of another job."""
        self._ui.logText.clear()

    def add(self, line: str) -> None:
        """Put a line at the end; of very many lines, the last are kept."""
        self._ui.logText.appendPlainText(line)

    def onCollapsed(self, collapsed: bool) -> None:
        """Called when the section was opened or closed; packages may have been installed since it was open."""
        if not collapsed:
            self._ui.versionsLabel.text = ", ".join(f"{name} {version}" for name, version in software().items())
