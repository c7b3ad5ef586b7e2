"""Scripted modules as Slicer holds them: the module, its panel, and the list of all modules in ``slicer.modules``."""

import importlib.util
import re
import sys
from pathlib import Path

import slicer
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import QVBoxLayout

from .widgets.mrml_widgets import qSlicerWidget


class ModuleManager(QObject):
    """``slicer.app.moduleManager()``; also the factory manager that in Slicer is an object of its own."""

    moduleAboutToBeUnloaded = Signal(str)

    def __init__(self, scene, application_logic):
        super().__init__()
        self._loaded = {}
        for found in filter(None, (re.fullmatch("vtkSlicer(.+)ModuleLogic", name) for name in dir(slicer))):
            # Of some the name is that of a Python module, and the class has a shorter one.
            logics = (getattr(slicer, name, None) for name in (found[0], f"vtkSlicer{found[1]}Logic"))
            for logic in (logic for logic in logics if isinstance(logic, type)):
                setattr(slicer.modules, found[1].lower(), CoreModule(found[1], logic, scene, application_logic))
        slicer.modules.colors = CoreModule("Colors", slicer.vtkSlicerColorLogic, scene, application_logic)
        application_logic.SetColorLogic(slicer.modules.colors.logic())  # brings the colours that images are shown in
        slicer.modules.segmentations.logic()  # brings the conversions between the forms of a segmentation

    def add(self, module):
        self._loaded[module.name] = module
        setattr(slicer.modules, module.name.lower(), module)

    def module(self, name):
        return self._loaded.get(name) or getattr(slicer.modules, name.lower(), None)

    def factoryManager(self):
        return self

    def loadedModuleNames(self):
        return tuple(self._loaded)

    modulesNames = loadedModuleNames


class CoreModule:
    """A module of Slicer's own: nothing but its logic, made when first asked for."""

    def __init__(self, name, logic_class, scene, application_logic):
        self.name = self.title = name
        self._class, self._scene, self._logic = logic_class, scene, None
        self._application_logic = application_logic

    def logic(self):
        if self._logic is None:
            self._logic = self._class()
            self._logic.SetMRMLApplicationLogic(self._application_logic)
            self._application_logic.SetModuleLogic(self.name, self._logic)
            self._logic.SetMRMLScene(self._scene)
        return self._logic

    def widgetRepresentation(self):
        return None


class qSlicerScriptedLoadableModule:
    """A scripted module: what its Python class fills in, and its panel once asked for."""

    def __init__(self, path):
        self.path = str(Path(path).absolute())
        self.name = Path(path).stem
        self.title, self.helpText, self.acknowledgementText = "", "", ""
        self.categories, self.dependencies, self.contributors = [], [], []
        self.hidden, self.widgetRepresentationCreationEnabled, self.index, self.icon = False, True, -1, None
        self._panel = None
        python_class = getattr(_imported(self.name, self.path), self.name)
        self._python = python_class(self)
        self.title = self.title or self.name
        setattr(slicer.modules, f"{self.name}Instance", self._python)

    def logic(self):
        return None  # as in Slicer: a scripted module's logic belongs to its panel

    def resourcePath(self, name):
        return str(Path(self.path).parent / "Resources" / name)

    def self(self):
        return self._python

    def widgetRepresentation(self):
        if self._panel is None:
            self._panel = qSlicerScriptedLoadableModuleWidget(self)
        return self._panel

    def createNewWidgetRepresentation(self):
        return qSlicerScriptedLoadableModuleWidget(self)


class qSlicerScriptedLoadableModuleWidget(qSlicerWidget):
    """The panel that Slicer shows for a scripted module; the module's Python widget fills it."""

    def __init__(self, module: qSlicerScriptedLoadableModule):
        super().__init__()
        self._module = module
        self.moduleName = module.name
        self._entered = False
        self.setLayout(QVBoxLayout())
        self.setMRMLScene(slicer.mrmlScene)
        self.reload()

    def reload(self):
        """Make the Python widget anew from the module as it is imported now, and set it up."""
        widget_class = getattr(sys.modules[self.moduleName], f"{self.moduleName}Widget")
        self._python = widget_class(self)
        setattr(slicer.modules, f"{self.moduleName}Widget", self._python)
        self._python.setup()

    def self(self):
        return self._python

    def enter(self):
        self._entered = True
        getattr(self._python, "enter", lambda: None)()

    def exit(self):
        self._entered = False
        getattr(self._python, "exit", lambda: None)()

    isEntered = Property(bool, lambda self: self._entered)


class ModuleSelector:
    """``mainWindow().moduleSelector()``: switches panels, telling the old and the new one."""

    def __init__(self, modules: ModuleManager):
        self._modules = modules
        self.selectedModule = ""

    def selectModule(self, name):
        if self.selectedModule == name:
            return
        new = self._modules.module(name)
        if new is None:
            raise RuntimeError(f"There is no module {name}")
        panel = new.widgetRepresentation()
        self.leave()
        if panel is not None:
            panel.enter()
        self.selectedModule = name

    def leave(self):
        """Leave the panel that is shown, if any."""
        if self.selectedModule:
            panel = self._modules.module(self.selectedModule).widgetRepresentation()
            if panel is not None and panel.isEntered:
                panel.exit()
        self.selectedModule = ""


def _imported(name, path):
    """Import a module from its file under its own name, its folder on sys.path, as Slicer does."""
    folder = str(Path(path).parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
