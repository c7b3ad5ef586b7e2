"""``slicer.app`` and what hangs on it: the settings, the scene's logic, a main window and a layout manager."""

import platform
import sys
import tempfile
from pathlib import Path

import slicer
from PySide6.QtCore import Property, QCoreApplication, QObject, QSettings, QStandardPaths, Signal
from PySide6.QtWidgets import QApplication, QMainWindow, QMessageBox

from .modules import ModuleManager, ModuleSelector
from .services.files import FileManager
from .services.layout import LayoutManager
from .services.packaging import packages


class StartUp(QObject):
    """One start of Slicer, which tells when it is over."""

    startupCompleted = Signal()


class Application:
    """``slicer.app``: its own attributes first, then those of Qt's application."""

    applicationName = "Slicer"
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"
    majorVersion, minorVersion = 5, 13
    revision = "0"
    applicationVersion = "5.13.0 (stand-in)"
    os, arch = platform.system().lower(), platform.machine()

    def __init__(self, scene):
        self._qt = QApplication.instance() or QApplication([sys.argv[0], "-platform", "offscreen"])
        self._folder = tempfile.TemporaryDirectory(prefix="slicer_host")
        self.temporaryPath = self._folder.name
        self.slicerHome = self._folder.name
        self._use_own_settings()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetHomeDirectory(self.slicerHome)
        self._logic.SetShareDirectory("share")
        Path(self.slicerHome, "share", "ColorFiles").mkdir(parents=True)  # or the logic of colours complains
        self._logic.SetTemporaryPath(self.temporaryPath)
        self._logic.SetMRMLScene(scene)
        self._modules = ModuleManager(scene, self._logic)
        self._window = MainWindow(self._modules)
        self._layouts = LayoutManager(scene, self._logic)
        self.cachePath = str(Path(self.temporaryPath, "cache"))
        Path(self.cachePath).mkdir()
        self._files = FileManager(scene, self.cachePath)
        self._extensions = ExtensionsModel()
        self._dicom = DicomDatabase()
        self._start_up = StartUp()
        self._testing = False

    def _use_own_settings(self) -> None:
        """Settings in a temporary folder: a test never reads or writes those of the user."""
        QStandardPaths.setTestModeEnabled(True)
        QCoreApplication.setOrganizationName("slicer_host")
        QCoreApplication.setApplicationName("Slicer")
        QSettings.setDefaultFormat(QSettings.IniFormat)
        QSettings.setPath(QSettings.IniFormat, QSettings.UserScope, self.temporaryPath)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._qt, name)

    @property
    def startupCompleted(self):
        return self._start_up.startupCompleted

    def connect(self, signal, slot):
        return self._sender(signal).connect(signal, slot)

    def disconnect(self, signal, slot):
        return self._sender(signal).disconnect(signal, slot)

    def _sender(self, signal):
        return self._start_up if signal == "startupCompleted()" else self._qt

    def _complete_startup(self):
        """Emit ``startupCompleted()`` to those that wait for it: each hears it once, as in one run of Slicer."""
        over, self._start_up = self._start_up, StartUp()
        over.startupCompleted.emit()

    def applicationLogic(self):
        return self._logic

    def coreIOManager(self):
        return self._files

    def dicomDatabase(self):
        return self._dicom

    def extensionsManagerModel(self):
        return self._extensions

    def ioManager(self):
        return self._files

    def layoutManager(self):
        return self._layouts

    def moduleDocumentationUrl(self, name):
        return f"{self.documentationBaseUrl}user_guide/modules/{name.lower()}.html"

    def moduleManager(self):
        return self._modules

    def mrmlScene(self):
        return slicer.mrmlScene

    def pauseRender(self):
        """Nothing: there is nothing to render."""

    resumeRender = pauseRender

    def restart(self):
        raise RuntimeError("The panel asked for a restart of Slicer")

    def settings(self):
        return QSettings()

    userSettings = revisionUserSettings = settings

    def testingEnabled(self):
        return self._testing

    def translate(self, context, text):
        return QCoreApplication.translate(context, text)


class DicomDatabase(QObject):
    """Which file each DICOM instance is in, as far as `Host.import_dicom` has put it there."""

    def __init__(self):
        super().__init__()
        self._files: dict[str, str] = {}

    def fileForInstance(self, uid):
        return self._files.get(uid, "")


class ExtensionsModel(QObject):
    """Which extensions there are, by ``host.packages.extensions``, and on the server."""

    def __init__(self):
        super().__init__()
        self._interactive = True
        self._new: set[str] = set()  # installed, and loaded when Slicer starts again

    def isExtensionInstalled(self, name):
        return name in packages.extensions or name in self._new

    def installExtensionFromServer(self, name, restart=True, update=False):
        """Ask, if interactive, and install; it counts from the next start of Slicer. False where it was not done."""
        if self.isExtensionInstalled(name):
            return True
        if self._interactive and QMessageBox.question(None, "Install extension ?", name) != QMessageBox.Yes:
            return False
        if name not in packages.extensions_on_server:
            return False
        self._new.add(name)
        if restart:
            slicer.app.restart()
        return True

    def _set_interactive(self, interactive):
        self._interactive = interactive

    interactive = Property(bool, lambda self: self._interactive, _set_interactive)


class MainWindow(QMainWindow):
    """A window by the name that ``slicer.util.mainWindow`` looks for; never shown."""

    def __init__(self, modules: ModuleManager):
        super().__init__(objectName="qSlicerMainWindow")
        self._selector = ModuleSelector(modules)

    def moduleSelector(self):
        return self._selector
