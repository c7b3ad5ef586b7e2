"""The widgets of Slicer that show a MRML scene: qMRMLWidget and qMRMLNodeComboBox."""

import shiboken6
import slicer
from PySide6.QtCore import Property, QObject, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QWidget


class qMRMLWidget(QWidget):
    """A widget with a scene, which it hands on by its signal."""

    mrmlSceneChanged = Signal(object)

    def __init__(self, parent=None):
        super().__init__(parent)
        self._scene = None

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(qMRMLWidget):
    """The same under the name that Slicer's module panels have it."""


class qMRMLSortFilterProxyModel(QObject):
    """Which nodes a combo box leaves out, whatever its types say."""

    def __init__(self, combo):
        super().__init__(combo)
        self._changed = combo._refresh
        self._hidden: tuple[str, ...] = ()

    def _hide(self, ids):
        self._hidden = tuple(ids)
        self._changed()

    hiddenNodeIDs = Property("QStringList", lambda self: self._hidden, _hide)


class qMRMLNodeComboBox(QWidget):
    """A combo box of the nodes of a scene; it follows nodes that come, go and change their name.

    The entries that make, rename and delete nodes are not in its list: a test calls ``addNode``.
    """

    currentNodeChanged = Signal(object)
    currentNodeIDChanged = Signal(str)
    nodeAdded = Signal(object)
    nodeAddedByUser = Signal(object)

    _FOLLOWED = ("NodeAddedEvent", "NodeRemovedEvent", "EndBatchProcessEvent", "EndCloseEvent", "EndImportEvent")

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._combo = QComboBox(self, objectName="_combo")
        layout.addWidget(self._combo)
        self._scene, self._tags, self._node_tags = None, [], []
        self._current_id = ""
        self._requested_id: str | None = None  # set while there was no scene
        self._filters: list[tuple[str, str, str | None]] = []
        self._options = {"nodeTypes": (), "noneEnabled": False, "showHidden": False, "showChildNodeTypes": True}
        self._options |= {"hideChildNodeTypes": (), "interactionNodeSingletonTag": ""}
        self._options |= {"noneDisplay": "", "baseName": "", "selectNodeUponCreation": True}
        self._options |= {"addEnabled": True, "removeEnabled": True, "renameEnabled": False, "editEnabled": False}
        self._filter = qMRMLSortFilterProxyModel(self)
        self._combo.currentIndexChanged.connect(self._user_chose)

    # The scene

    def mrmlScene(self):
        return self._scene

    def setMRMLScene(self, scene):
        self._stop_following()
        self._scene = scene
        if scene is not None:
            for event in self._FOLLOWED:
                number = getattr(slicer.vtkMRMLScene, event, None)
                tag = scene.AddObserver(event if number is None else number, self._scene_changed)
                self._tags.append((scene, tag))
        self.enabled = scene is not None
        self._refresh()
        if scene is not None and self._requested_id is not None:
            requested, self._requested_id = self._requested_id, None
            self.setCurrentNodeID(requested)

    def _stop_following(self):
        for thing, tag in self._tags + self._node_tags:
            thing.RemoveObserver(tag)
        self._tags, self._node_tags = [], []

    def _scene_changed(self, *_):
        if not shiboken6.isValid(self):  # Qt deleted the widget
            self._stop_following()
        elif self._scene is not None and not self._scene.IsBatchProcessing():
            self._refresh()

    # The nodes

    def _nodes(self) -> list:
        """The nodes in the list, in the order of the scene."""
        if self._scene is None:
            return []
        every = (self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes()))
        return [node for node in every if self._shows(node)]

    def sortFilterProxyModel(self):
        return self._filter

    def _shows(self, node) -> bool:
        if node.GetID() in self._filter.hiddenNodeIDs:
            return False
        if node.GetHideFromEditors() and not self._options["showHidden"]:
            return False
        if self._options["showChildNodeTypes"]:
            if any(node.IsA(kind) for kind in self._options["hideChildNodeTypes"]):
                return False
            kinds = [kind for kind in self._options["nodeTypes"] if node.IsA(kind)]
        else:
            kinds = [kind for kind in self._options["nodeTypes"] if node.GetClassName() == kind]
        wanted = [(name, value) for kind, name, value in self._filters if kind in kinds]
        return bool(kinds) and all(
            node.GetAttribute(name) is not None and value in (None, "", node.GetAttribute(name))
            for name, value in wanted
        )

    def _refresh(self):
        nodes = self._nodes()
        entries = [(node.GetID(), node.GetName()) for node in nodes]
        ids = [node_id for node_id, _ in entries]
        if self._options["noneEnabled"]:
            entries.insert(0, ("", self._options["noneDisplay"] or "None"))
        self._follow_names_of(nodes)
        self._combo.blockSignals(True)
        self._combo.clear()
        for node_id, name in entries:
            self._combo.addItem(name, node_id)
        self._combo.blockSignals(False)
        self._select(self._current_id if self._current_id in ids else "")

    def _follow_names_of(self, nodes):
        gone = [(node, tag) for node, tag in self._node_tags if node not in nodes]
        for node, tag in gone:
            node.RemoveObserver(tag)
        followed = [node for node, _ in self._node_tags]
        new = [(node, node.AddObserver("ModifiedEvent", self._scene_changed)) for node in nodes if node not in followed]
        self._node_tags = [pair for pair in self._node_tags if pair not in gone] + new

    def _select(self, node_id: str):
        self._combo.blockSignals(True)
        self._combo.currentIndex = self._combo.findData(node_id)
        self._combo.blockSignals(False)
        if node_id != self._current_id:
            self._current_id = node_id
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(node_id)

    def _user_chose(self, index):
        self.setCurrentNodeID(self._combo.itemData(index) or "")

    def currentNode(self):
        return self._scene.GetNodeByID(self._current_id) if self._scene and self._current_id else None

    def setCurrentNode(self, node):
        self.setCurrentNodeID(node.GetID() if node is not None else "")

    def setCurrentNodeID(self, node_id):
        node_id = node_id or ""
        if self._scene is None:
            self._requested_id = node_id
            return
        self._refresh()  # the node may be newer than the list, while a file is being loaded
        self._select(node_id if self._combo.findData(node_id) >= 0 else "")

    def nodeCount(self) -> int:
        return len(self._nodes())

    def nodeFromIndex(self, index):
        return self._nodes()[index]

    def addAttribute(self, node_type, name, value=None):
        """List only nodes of this type that have this attribute, and this value of it where one is given."""
        self._filters.append((node_type, name, value))
        self._refresh()

    def addNode(self, node_type=None):
        """What the entry "Create new" of the list does in Slicer."""
        kind = node_type or self._options["nodeTypes"][0]
        name = self._options["baseName"] or self._scene.GetTagByClassName(kind)
        node = self._scene.AddNewNodeByClass(kind, self._scene.GenerateUniqueName(name))
        if self._options["selectNodeUponCreation"]:
            self.setCurrentNode(node)
        self.nodeAdded.emit(node)
        self.nodeAddedByUser.emit(node)
        return node

    def removeCurrentNode(self):
        self._scene.RemoveNode(self.currentNode())

    def _option(kind, name):
        def write(self, value):
            self._options[name] = tuple(value) if isinstance(value, list) else value  # PythonQt gives tuples
            self._refresh()

        return Property(kind, lambda self: self._options[name], write)

    nodeTypes = _option("QStringList", "nodeTypes")
    noneEnabled = _option(bool, "noneEnabled")
    noneDisplay = _option(str, "noneDisplay")
    showHidden = _option(bool, "showHidden")
    showChildNodeTypes = _option(bool, "showChildNodeTypes")
    hideChildNodeTypes = _option("QStringList", "hideChildNodeTypes")
    interactionNodeSingletonTag = _option(str, "interactionNodeSingletonTag")
    baseName = _option(str, "baseName")
    selectNodeUponCreation = _option(bool, "selectNodeUponCreation")
    addEnabled = _option(bool, "addEnabled")
    removeEnabled = _option(bool, "removeEnabled")
    renameEnabled = _option(bool, "renameEnabled")
    editEnabled = _option(bool, "editEnabled")
    currentNodeID = Property(str, lambda self: self._current_id, setCurrentNodeID, notify=currentNodeIDChanged)
