"""``slicer.app`` and what hangs on it: the settings, the scene's logic, a main window and a layout manager."""

import platform
import sys
import tempfile
from pathlib import Path

import slicer
from PySide6.QtCore import QCoreApplication, QSettings, QStandardPaths
from PySide6.QtWidgets import QApplication, QMainWindow

from .modules import ModuleManager, ModuleSelector


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
        self._logic.SetMRMLScene(scene)
        self._modules = ModuleManager(scene)
        self._window = MainWindow(self._modules)
        self._layouts = LayoutManager(scene)
        self._files = SceneFiles(scene, self.temporaryPath)
        self.testing = False

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

    def applicationLogic(self):
        return self._logic

    def coreIOManager(self):
        return self._files

    def ioManager(self):
        return self._files

    def layoutManager(self):
        return self._layouts

    def mainWindow(self):
        return self._window

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
        return self.testing

    def translate(self, context, text):
        return QCoreApplication.translate(context, text)


class MainWindow(QMainWindow):
    """A window by the name that ``slicer.util.mainWindow`` looks for; never shown."""

    def __init__(self, modules: ModuleManager):
        super().__init__(objectName="qSlicerMainWindow")
        self._selector = ModuleSelector(modules)

    def moduleSelector(self):
        return self._selector


class LayoutManager:
    """A layout without views. The three slice views are in the scene, as composite nodes without a widget."""

    VIEWS = ("Red", "Green", "Yellow")

    def __init__(self, scene):
        self.layout = 0
        for name in self.VIEWS:
            node = slicer.vtkMRMLSliceCompositeNode()
            node.SetSingletonTag(name)
            node.SetLayoutName(name)
            node.SetName(name)
            scene.AddNode(node)

    def setLayout(self, layout):
        self.layout = layout

    def sliceViewNames(self):
        return ()  # no widget can be had of any of them

    def mrmlSliceLogics(self):
        return slicer.app.applicationLogic().GetSliceLogics() or slicer.vtkCollection()

    threeDViewCount = tableViewCount = plotViewCount = 0

    def resetThreeDViews(self):
        """Nothing: there are no views."""

    resetSliceViews = resetThreeDViews


class SceneFiles:
    """Save and load whole scenes: .mrb with the data, .mrml without. Other files are not covered."""

    def __init__(self, scene, folder: str):
        self._scene = scene
        self._remote = slicer.vtkMRMLRemoteIOLogic()  # a scene unpacks .mrb files in this one's cache
        self._remote.SetMRMLScene(scene)
        self._remote.GetCacheManager().SetRemoteCacheDirectory(folder)
        self._remote.AddDataIOToScene()

    def fileType(self, path):
        return "SceneFile" if Path(path).suffix in (".mrb", ".mrml") else "NoFile"

    def saveNodes(self, file_type, properties, messages=None):
        path = self._path(file_type, properties)
        if path.endswith(".mrb"):
            return self._scene.WriteToMRB(path, None, messages)
        self._scene.SetURL(path)
        self._scene.SetRootDirectory(str(Path(path).parent))
        return bool(self._scene.Commit(path, messages))

    def loadNodes(self, file_type, properties, nodes=None, messages=None):
        path, clear = self._path(file_type, properties), properties.get("clear", False)
        if path.endswith(".mrb"):
            return self._scene.ReadFromMRB(path, clear, messages)
        self._scene.SetURL(path)
        return bool(self._scene.Connect(messages) if clear else self._scene.Import(messages))

    def _path(self, file_type, properties):
        path = str(Path(properties["fileName"]).absolute())
        if file_type != "SceneFile" or not path.endswith((".mrb", ".mrml")):
            raise NotImplementedError(f"slicer_host saves and loads only .mrb and .mrml, not {path}")
        return path
