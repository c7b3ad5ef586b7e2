"""Where a picture is taken: copies of what is to be seen, in a scene of their own, before an off-screen window."""

from contextlib import contextmanager

import numpy as np
import slicer
import vtk
from vtkmodules.util.numpy_support import vtk_to_numpy


@contextmanager
def studio(scene, factory_class, managers, size):
    """A ``Studio`` with the visible segmentations of a scene, and with those displayable managers of Slicer's."""
    factory = factory_class.GetInstance()
    before = factory.GetMRMLApplicationLogic()
    place = Studio(size)
    factory.SetMRMLApplicationLogic(place.application)
    try:
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        place.managers.Initialize(factory, place.renderer)
        for node in _visible_segmentations(scene):
            place.add_segmentation(node)
        yield place
    finally:
        factory.SetMRMLApplicationLogic(before)
        place.close()


def _visible_segmentations(scene):
    """The segmentation nodes of a scene that are shown: one without a display node is not."""
    name = "vtkMRMLSegmentationNode"
    nodes = (scene.GetNthNodeByClass(i, name) for i in range(scene.GetNumberOfNodesByClass(name)))
    return [node for node in nodes if node.GetDisplayVisibility()]


class Studio:
    """``scene`` with the copies, its ``application`` logic, ``managers`` and the ``renderer`` that they draw with."""

    def __init__(self, size):
        self.scene = slicer.vtkMRMLScene()
        self.segmentations = []
        self.application = slicer.vtkMRMLApplicationLogic()
        self.application.SetMRMLScene(self.scene)
        self._colours = slicer.vtkMRMLColorLogic()
        self._colours.SetMRMLScene(self.scene)  # a volume is shown with one of its tables, Grey
        self.renderer = vtk.vtkRenderer()
        self._window = vtk.vtkRenderWindow()
        self._window.OffScreenRenderingOn()
        self._window.SetMultiSamples(8)
        self._window.SetSize(*size)
        self._window.AddRenderer(self.renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()  # without one the managers crash
        self._interactor.SetRenderWindow(self._window)
        self.managers = slicer.vtkMRMLDisplayableManagerGroup()

    def close(self):
        """Let go of everything, the window's graphics memory too."""
        self.managers.SetMRMLDisplayableNode(None)
        self._window.Finalize()
        self._colours.SetMRMLScene(None)
        self.application.SetMRMLScene(None)

    def add_volume(self, node, window):
        """A copy of a volume node, with the same voxels in memory; ``window`` is width and level."""
        copy = self._add(node, deep=False)
        copy.CreateDefaultDisplayNodes()
        copy.GetDisplayNode().AutoWindowLevelOff()
        copy.GetDisplayNode().SetWindowLevel(*window)
        return copy

    def add_segmentation(self, node):
        """A copy of a segmentation node, shown in the same way."""
        copy = self._add(node, deep=True)  # forms that are made for drawing must not go to the original
        copy.CreateDefaultDisplayNodes()
        copy.GetDisplayNode().CopyContent(node.GetDisplayNode())
        self.segmentations.append(copy)

    def bounds_of_segments(self) -> vtk.vtkBoundingBox:
        """Where the segmentations have something, in the world. Their label maps are cropped to that."""
        box = vtk.vtkBoundingBox()
        bounds = np.zeros(6)
        for node in self.segmentations:
            for segment_id in node.GetSegmentation().GetSegmentIDs():
                _crop(node.GetBinaryLabelmapInternalRepresentation(segment_id))
            node.GetRASBounds(bounds)
            box.AddBounds(bounds)
        if not box.IsValid():
            raise ValueError("There is no visible segmentation to frame")
        return box

    def _add(self, node, deep):
        copy = self.scene.AddNewNodeByClass(node.GetClassName())
        copy.CopyContent(node, deep)
        if node.GetParentTransformNode() is not None:
            to_world = vtk.vtkGeneralTransform()
            node.GetParentTransformNode().GetTransformToWorld(to_world)
            transform = self.scene.AddNewNodeByClass("vtkMRMLTransformNode")
            transform.SetAndObserveTransformToParent(to_world)
            copy.SetAndObserveTransformNodeID(transform.GetID())
        return copy

    def picture(self) -> np.ndarray:
        """What the window shows, uint8 (height, width, 3), the first row at the top."""
        self._window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        pixels = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return pixels.reshape(height, width, 3)[::-1].copy()


def _crop(labelmap):
    """Leave off the empty border of a segment's label map, which counts in its bounds."""
    extent = np.zeros(6, int)
    if slicer.vtkOrientedImageDataResample.CalculateEffectiveExtent(labelmap, extent):  # not if it is empty
        cropped = slicer.vtkOrientedImageData()
        slicer.vtkOrientedImageDataResample.CopyImage(labelmap, cropped, extent)
        labelmap.DeepCopy(cropped)
