"""``slicer.app.layoutManager()``: Slicer's own layout, view nodes and slice logics in the scene, without widgets."""

import slicer
import vtk


class LayoutManager:
    """The layout. Slicer's logic keeps the nodes of its views in the scene, also where the scene is closed."""

    _SLICE_VIEWS = ("Red", "Green", "Yellow")
    threeDViewCount = tableViewCount = plotViewCount = 0  # no widget can be had of any of them

    def __init__(self, scene, application_logic):
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLScene(scene)
        self.setLayout(slicer.vtkMRMLLayoutNode.SlicerLayoutConventionalView)
        self._slices = {name: SliceWidget(name, scene, application_logic) for name in self._SLICE_VIEWS}
        self._slice_logics = vtk.vtkCollection()
        for widget in self._slices.values():
            self._slice_logics.AddItem(widget.sliceLogic())
        application_logic.SetSliceLogics(self._slice_logics)

    def layoutLogic(self):
        return self._logic

    @property
    def layout(self):
        return self._logic.GetLayoutNode().GetViewArrangement()

    @layout.setter
    def layout(self, layout):
        self._logic.GetLayoutNode().SetViewArrangement(layout)

    def setLayout(self, layout):
        self.layout = layout

    def sliceViewNames(self):
        return self._SLICE_VIEWS

    def sliceWidget(self, name):
        return self._slices.get(name)

    def mrmlSliceLogics(self):
        return self._slice_logics

    def resetSliceViews(self):
        for widget in self._slices.values():
            widget.fitSliceToBackground()

    def resetThreeDViews(self):
        """Nothing: there are no views."""


class SliceWidget:
    """What a slice view knows of the scene; it shows nothing."""

    def __init__(self, name, scene, application_logic):
        self.sliceViewName = name
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application_logic)
        self._logic.SetMRMLScene(scene)
        self._logic.SetSliceNode(scene.GetSingletonNode(name, "vtkMRMLSliceNode"))

    def sliceLogic(self):
        return self._logic

    def mrmlSliceNode(self):
        return self._logic.GetSliceNode()

    def mrmlSliceCompositeNode(self):
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self):
        self._logic.FitSliceToBackground()
