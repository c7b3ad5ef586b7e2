"""Base classes of a scripted module, in the shape of ``slicer.ScriptedLoadableModule``."""

import unittest
from pathlib import Path

import slicer

__all__ = [
    "ScriptedLoadableModule",
    "ScriptedLoadableModuleLogic",
    "ScriptedLoadableModuleTest",
    "ScriptedLoadableModuleWidget",
]


def _name(thing, ending: str) -> str:
    return type(thing).__name__.removesuffix(ending)


class ScriptedLoadableModule:
    """What a module tells about itself."""

    def __init__(self, parent):
        super().__init__()
        self.parent = parent
        self.moduleName = _name(self, "")

    def resourcePath(self, filename):
        return self.parent.resourcePath(filename)

    def getDefaultModuleDocumentationLink(self, docPage=None):
        url = (
            slicer.app.documentationBaseUrl + docPage if docPage else slicer.app.moduleDocumentationUrl(self.moduleName)
        )
        return f'<p>See <a href="{url}">the documentation</a>.</p>'


class ScriptedLoadableModuleWidget:
    """The panel; ``parent`` is the Qt widget that it fills. Without the section for developers."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = _name(self, "Widget")
        self.developerMode = False
        self.parent = parent
        self.layout = parent.layout()
        slicer.app.moduleManager().connect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def resourcePath(self, filename):
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / filename)

    def setup(self):
        """For derived classes, which call this first."""

    def cleanup(self):
        """For derived classes: called before the panel goes."""

    def _onModuleAboutToBeUnloaded(self, moduleName):
        if moduleName == self.moduleName:
            self.cleanup()
            slicer.app.moduleManager().disconnect("moduleAboutToBeUnloaded(QString)", self._onModuleAboutToBeUnloaded)

    def onReload(self):
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """The work; it keeps its parameters in a node of the scene."""

    def __init__(self, parent=None):
        super().__init__()
        self.moduleName = _name(self, "Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self):
        """The first parameter node of the module in the scene, made where there is none."""
        nodes = self.getAllParameterNodes()
        if nodes:
            return nodes[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self):
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                node.SetAttribute("ModuleName", self.moduleName)  # closing a scene may have taken it away
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self):
        node = slicer.vtkMRMLScriptedModuleNode()
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The module's own tests: ``runTest`` runs each method whose name begins with "test"."""

    def delayDisplay(self, message, *_, **__):
        slicer.util.delayDisplay(message)

    def runTest(self):
        for name in unittest.TestLoader().getTestCaseNames(type(self)):
            self.setUp()
            getattr(self, name)()
            self.tearDown()
