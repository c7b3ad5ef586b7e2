"""Messages and questions to the user: kept for a test to read, answered without a dialog."""

from dataclasses import dataclass

import slicer
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QMessageBox


@dataclass(frozen=True)
class Message:
    """One message; ``kind`` is info, warning, error, confirm, delay, box, dialog, file or open."""

    kind: str
    text: str
    details: str = ""
    title: str = ""
    hourglass: bool = False  # whether the user saw the cursor for waiting


class Messages(list):
    """The messages so far, and the answers that the stand-in user gives."""

    def __init__(self):
        super().__init__()
        self.confirm = True  # to a question, and to a dialog: accept or reject
        self.file = ""  # to a file dialog, or a list of answers to one after the other; nothing stands for cancelled

    def of(self, kind: str) -> list[str]:
        """The texts of all messages of a kind."""
        return [message.text for message in self if message.kind == kind]

    def keep(self, kind, text, windowTitle=None, detailedText="", **_):
        hourglass = QApplication.overrideCursor() is not None
        self.append(Message(kind, str(text), str(detailedText or ""), windowTitle or "", hourglass))

    def take_over(self) -> None:
        """Put this list in the place of the dialogs of slicer.util and Qt."""
        for kind in ("info", "warning", "error"):
            setattr(slicer.util, f"{kind}Display", self._shown(kind))
        for name in ("OkCancel", "YesNo", "RetryClose"):
            setattr(slicer.util, f"confirm{name}Display", self._asked)
        slicer.util.delayDisplay = self._delay
        slicer.util.messageBox = self._box
        QDialog.exec = QMessageBox.exec = self._dialog()
        for name, kind in {"information": "info", "warning": "warning", "critical": "error"}.items():
            setattr(QMessageBox, name, self._static_box(kind))
        QMessageBox.question = self._static_box("confirm")
        for name in ("getOpenFileName", "getSaveFileName", "getExistingDirectory"):
            setattr(QFileDialog, name, self._file_dialog())
        QDesktopServices.openUrl = self._url_opener()

    def _shown(self, kind):
        def show(text, windowTitle=None, parent=None, standardButtons=None, **more):
            self.keep(kind, text, windowTitle, **more)

        return show

    def _asked(self, text, windowTitle=None, parent=None, **more):
        self.keep("confirm", text, windowTitle, **more)
        return self.confirm

    def _delay(self, message, *_, **__):
        self.keep("delay", message)
        slicer.app.processEvents()

    def _box(self, text, parent=None, **more):
        self.keep("box", text, **more)
        return QMessageBox.Ok if self.confirm else QMessageBox.Cancel

    def _dialog(self):
        def run(dialog):
            if isinstance(dialog, QMessageBox):
                self.keep("dialog", dialog.text, dialog.windowTitle, dialog.detailedText)
                yes, no = (QMessageBox.Ok, QMessageBox.Yes), (QMessageBox.Cancel, QMessageBox.No)
                offered = [button for button in (yes if self.confirm else no) if dialog.standardButtons & button]
                return offered[0] if offered else QMessageBox.Ok
            self.keep("dialog", dialog.windowTitle, dialog.windowTitle)
            (dialog.accept if self.confirm else dialog.reject)()
            return dialog.result()

        return run

    def _static_box(self, kind):
        def ask(parent, title, text, *_, **__):
            self.keep(kind, text, title)
            if kind == "confirm":
                return QMessageBox.Yes if self.confirm else QMessageBox.No
            return QMessageBox.Ok

        return staticmethod(ask)

    def _url_opener(self):
        def open_url(url):
            self.keep("open", url.toLocalFile() if url.isLocalFile() else url.toString())
            return True

        return staticmethod(open_url)

    def _file_dialog(self):
        # PythonQt gives the path alone, PySide6 a pair of path and filter.
        def choose(parent=None, title="", *_, **__):
            self.keep("file", title)
            return self.file.pop(0) if isinstance(self.file, list) else self.file

        return staticmethod(choose)
