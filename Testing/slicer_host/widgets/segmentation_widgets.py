"""``slicer.qMRMLSegmentationShow3DButton``: makes and removes the surfaces of a segmentation."""

import shiboken6
import slicer
import vtk
from PySide6.QtCore import Property, Slot

from .ctk import ctkMenuButton


class qMRMLSegmentationShow3DButton(ctkMenuButton):
    """A button that is down while a segmentation has surfaces to show in 3D; without its menu of smoothing."""

    def __init__(self, parent=None):
        super().__init__(parent)
        self._node = vtk.vtkWeakReference()
        self._tags = []
        self._locked = False
        self.text = "Show 3D"
        self.checkable = True
        self.enabled = False
        self.toggled.connect(self._user_toggled)

    def segmentationNode(self):
        return self._node.Get()

    # Slicer has this slot for this type only: a .ui file cannot connect it to currentNodeChanged(vtkMRMLNode*).
    @Slot("vtkMRMLSegmentationNode*")
    def setSegmentationNode(self, node):
        if node is not None and not node.IsA("vtkMRMLSegmentationNode"):
            raise TypeError(f"setSegmentationNode takes a segmentation, not {node.GetClassName()}")
        if self._node.Get() is not None:
            for tag in self._tags:
                self._node.Get().RemoveObserver(tag)
        self._node.Set(node)
        segmentation = slicer.vtkSegmentation
        events = ("ModifiedEvent", segmentation.SegmentAdded, segmentation.SegmentRemoved)
        events += (segmentation.ContainedRepresentationNamesModified,)
        self._tags = [node.AddObserver(event, self._node_changed) for event in events] if node is not None else []
        self._node_changed()

    def _set_locked(self, locked):
        self._locked = locked
        self._node_changed()

    def _node_changed(self, *_):
        if not shiboken6.isValid(self):  # Qt deleted the widget
            return
        segmentation = self._segmentation()
        if segmentation is None:
            self.enabled = False
            return
        has_segments = segmentation.GetNumberOfSegments() > 0
        self.enabled = has_segments and not self._locked and not self._has_surfaces_as_source(segmentation)
        self.blockSignals(True)
        self.checked = segmentation.ContainsRepresentation(_surface())
        self.blockSignals(False)

    def _user_toggled(self, on):
        segmentation, node = self._segmentation(), self.segmentationNode()
        if segmentation is None:
            return
        with slicer.util.NodeModify(node):
            if not on:
                if not self._has_surfaces_as_source(segmentation):
                    segmentation.RemoveRepresentation(_surface())
            elif segmentation.CreateRepresentation(_surface()) and node.GetDisplayNode() is not None:
                labelmap = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
                node.GetDisplayNode().SetPreferredDisplayRepresentationName3D(_surface())
                if segmentation.ContainsRepresentation(labelmap):
                    node.GetDisplayNode().SetPreferredDisplayRepresentationName2D(labelmap)

    def _segmentation(self):
        node = self.segmentationNode()
        return node.GetSegmentation() if node is not None else None

    @staticmethod
    def _has_surfaces_as_source(segmentation):
        return segmentation.GetSourceRepresentationName() == _surface()

    locked = Property(bool, lambda self: self._locked, _set_locked)


def _surface() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
