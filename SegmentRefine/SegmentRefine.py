"""SegmentRefine: the lungs of a chest CT, segmented and refined. Research use only."""

import enum
from pathlib import Path
from typing import Annotated

import slicer
from COVIDMTLLib.child import Child
from COVIDMTLLib.method_parameters import RANGES
from COVIDMTLLib.progress import silent
from COVIDMTLLib.segmentation import DEFAULT_METHOD, PUBLISHED, Parameters
from COVIDMTLMRML.lung_tables import add_lung_table, fill_lung_table, measure_lungs, read_lung_table, read_warnings
from COVIDMTLMRML.runs import SegmentationRun, job_python, segmentation_options
from COVIDMTLMRML.segmentations import add_lungs_node, labels_of, show_lungs
from COVIDMTLMRML.slices import point_in_slice, red_slice
from COVIDMTLMRML.volumes import add_volume
from COVIDMTLPanel.background import Background
from COVIDMTLPanel.installation import ensure_packages
from COVIDMTLPanel.job_widget import JobWidget
from COVIDMTLPanel.self_test import SelfTest
from COVIDMTLPanel.summaries import measures_html, warnings_html
from COVIDMTLPanel.views import show_table
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode, vtkMRMLSliceNode, vtkMRMLTableNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


class SegmentRefine(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("Segment Refine")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["COVIDMTL"]
        self.parent.contributors = ["The COVID-MTL developers"]
        self.parent.helpText = _(
            "Segments the lungs of a chest CT, right and left, dense lung too, or refines a segmentation. "
            'Research use only; needs Slicer 5.12 or later. See the <a href="https://github.com/COVID-MTL/SlicerCOVIDMTL#segmentrefine">'
            "documentation</a>."
        )
        self.parent.acknowledgementText = _(
            "After Bao et al., COVID-MTL: multitask learning with Shift3D and random-weighted loss for COVID-19 "
            "diagnosis and severity assessment, Pattern Recognition 124, 2022, 108499 (section 4.1, Algorithm 1)."
        )


class Method(enum.Enum):
    """Methods of segmentation, by their names in `COVIDMTLLib.segmentation.METHODS`."""

    ROBUST = "robust"
    ACTIVE_CONTOUR = "active-contour"
    CLASSICAL = "classical"

    def label(self) -> str:
        """The text that a selector shows."""
        titles = {
            "robust": _("Robust (dense lung too)"),
            "active-contour": _("Active contours (Algorithm 1)"),
            "classical": _("Classical (threshold)"),
        }
        return titles[self.value]


@parameterNodeWrapper
class SegmentRefineParameterNode:
    """What the panel keeps in the scene.

    inputVolume - The CT.
    initialSegmentation - Lungs to start from; see COVIDMTLLib.segmentation.segment.
    method - How the lungs are found.
    airways - Whether the trachea and the main bronchi are segmented, too.
    threshold, alpha, beta, iterations, closing - See COVIDMTLLib.segmentation.Parameters.
    outputSegmentation - Where the lungs are put.
    referenceSegmentation - Lungs to compare the result with.
    resultsTable - Volumes and agreement of the last run.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    initialSegmentation: vtkMRMLSegmentationNode
    method: Method = Method(DEFAULT_METHOD)
    airways: bool = False
    threshold: Annotated[float, WithinRange(*RANGES["threshold"][:2])] = float(PUBLISHED.threshold)
    alpha: Annotated[float, WithinRange(*RANGES["alpha"][:2])] = float(PUBLISHED.alpha)
    beta: Annotated[float, WithinRange(*RANGES["beta"][:2])] = float(PUBLISHED.beta)
    iterations: Annotated[int, WithinRange(*RANGES["iterations"][:2])] = PUBLISHED.iterations
    closing: Annotated[float, WithinRange(*RANGES["closing"][:2])] = float(PUBLISHED.closing)
    outputSegmentation: vtkMRMLSegmentationNode
    referenceSegmentation: vtkMRMLSegmentationNode
    resultsTable: vtkMRMLTableNode


class SegmentRefineWidget(JobWidget):
    """The panel."""

    def makeLogic(self):
        return SegmentRefineLogic()

    def setup(self) -> None:
        self._preview = None
        super().setup()
        self.ui.previewButton.connect("clicked(bool)", self.onPreview)
        self.ui.defaultsButton.connect("clicked(bool)", self.onDefaults)
        self.ui.tableButton.connect("clicked(bool)", self.onShowTable)

    def cleanup(self) -> None:
        self._removePreview()
        super().cleanup()

    def onSceneStartClose(self, caller=None, event=None) -> None:
        super().onSceneStartClose(caller, event)
        self._preview = None

    def applyToolTip(self) -> str:
        return _("Segment the lungs of the whole CT")

    def ensurePackages(self) -> None:
        ensure_packages(self._requirements(), requester=_("Segment Refine"))

    def startJob(self) -> Background:
        p = self._parameterNode
        return self.logic.start(
            p.inputVolume,
            p.outputSegmentation,
            p.initialSegmentation,
            p.method.value,
            self._parameters(),
            p.referenceSegmentation,
            p.resultsTable,
            p.airways,
            **self.jobCallbacks(self.onFinished),
        )

    def onFinished(self, result: dict) -> None:
        """Show what was found, and take the nodes that were made for the next run too."""
        self._removePreview()
        parameters = self.logic.getParameterNode()
        parameters.outputSegmentation, parameters.resultsTable = result["segmentation"], result["table"]
        if self._parameterNode is not None:
            self.showResults()  # the nodes may be those of the run before, with other content
        self.ui.resultsCollapsibleButton.collapsed = False

    def onPreview(self) -> None:
        """Outline the lungs in the slice that the red view shows."""
        self._start(self.startPreview)

    def startPreview(self) -> Background:
        """Start the preview, in place of an earlier one."""
        p = self._parameterNode
        view = red_slice(slicer.mrmlScene)
        self._previewOffset = view.GetSliceOffset()
        return self.logic.startPreview(
            p.inputVolume,
            view,
            p.initialSegmentation,
            p.method.value,
            self._parameters(),
            p.airways,
            **self.jobCallbacks(self.onPreviewFinished),
        )

    def onPreviewFinished(self, preview: vtkMRMLSegmentationNode) -> None:
        """Show the preview as an outline."""
        self._removePreview()
        self._preview = preview
        self._say(_("Preview of the slice at {offset:.1f} mm.").format(offset=self._previewOffset))

    def onDefaults(self) -> None:
        """Set the parameters of the methods to those of the paper."""
        with slicer.util.NodeModify(self._parameterNode):
            for name in ("threshold", "alpha", "beta", "iterations", "closing"):
                setattr(self._parameterNode, name, self._parameterNode.default(name).value)

    def onShowTable(self) -> None:
        """Show the table of results in the table view."""
        show_table(self._parameterNode.resultsTable)

    def onParametersModified(self, caller=None, event=None) -> None:
        super().onParametersModified(caller, event)
        method = self._parameterNode.method
        contours, classical = method is Method.ACTIVE_CONTOUR, method is Method.CLASSICAL
        for widget in (self.ui.alphaSlider, self.ui.betaSlider, self.ui.iterationsSlider, self.ui.closingSlider):
            widget.enabled = contours
        self.ui.initialSelector.enabled = not classical
        # Active contours start from the classical method where nothing else is given.
        self.ui.thresholdSlider.enabled = classical or (contours and self._parameterNode.initialSegmentation is None)

    def showResults(self) -> None:
        table = self._parameterNode.resultsTable if self._parameterNode is not None else None
        measures = read_lung_table(table) if table is not None else {}
        self.ui.resultsLabel.text = (
            warnings_html(read_warnings(table)) + measures_html(measures) if measures else _("Nothing segmented yet.")
        )
        self.ui.tableButton.enabled = bool(measures)
        self.ui.show3DButton.setSegmentationNode(self._parameterNode.outputSegmentation if measures else None)

    def _checkCanApply(self) -> None:
        super()._checkCanApply()
        self.ui.previewButton.enabled = self.ui.applyButton.enabled

    def _requirements(self) -> Path:
        return Path(self.resourcePath("SegmentRefine-requirements.txt"))

    def _parameters(self) -> Parameters:
        p = self._parameterNode
        if p.method is Method.ROBUST:  # has none, whatever the sliders say for the others
            return PUBLISHED
        return Parameters(p.threshold, p.alpha, p.beta, p.iterations, p.closing)

    def _removePreview(self) -> None:
        if self._preview is not None:
            slicer.mrmlScene.RemoveNode(self._preview)
            self._preview = None


class SegmentRefineLogic(ScriptedLoadableModuleLogic):
    """Segmentations by script; results are those of the command line ``covid-mtl``, to the last voxel."""

    def getParameterNode(self):
        """The parameters of the panel."""
        return SegmentRefineParameterNode(super().getParameterNode())

    def process(
        self,
        ct: vtkMRMLScalarVolumeNode,
        output: vtkMRMLSegmentationNode | None = None,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        reference: vtkMRMLSegmentationNode | None = None,
        table: vtkMRMLTableNode | None = None,
        airways: bool = False,
        *,
        progress=silent,
    ) -> dict:
        """Segment the lungs of a CT and wait for the end. Research use only.

        :param ct: chest CT in HU.
        :param output: is given the right and the left lung; a new node if there is none.
        :param initial: lungs to start from: those that "active-contour" refines, in place of those of "classical", or
            for "robust" what is lung for certain.
        :param method: "robust", "active-contour" (Algorithm 1 of the paper) or "classical".
        :param parameters: of "active-contour" and "classical"; as published by default.
        :param reference: lungs to compare the result with.
        :param table: is given volumes and agreement; a new node if there is none.
        :param airways: give output the trachea and the main bronchi, too, which are no lung.
        :param progress: is told step, share done (0 to 1) and a line of text; what it raises cancels the run.
        :returns: segmentation and table (the nodes), measures (values by their titles) and warnings (sentences).
        :raises InputError: if the input cannot be used; ChildFailed: if the run failed for another reason.
        """
        run = SegmentationRun(ct, initial, method, parameters, airways=airways)
        run.wait(progress)
        return self._finish(run, output, reference, table)

    def start(
        self,
        ct: vtkMRMLScalarVolumeNode,
        output: vtkMRMLSegmentationNode | None = None,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        reference: vtkMRMLSegmentationNode | None = None,
        table: vtkMRMLTableNode | None = None,
        airways: bool = False,
        **callbacks,
    ) -> Background:
        """As process, but return at once.

        :param callbacks: progress, finished (is told the result) and failed (is told the exception).
        :returns: the run in the background, which has cancel().
        """
        run = SegmentationRun(ct, initial, method, parameters, airways=airways)
        return Background(run, lambda: self._finish(run, output, reference, table), **callbacks)

    def startPreview(
        self,
        ct: vtkMRMLScalarVolumeNode,
        view: vtkMRMLSliceNode,
        initial: vtkMRMLSegmentationNode | None = None,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        airways: bool = False,
        **callbacks,
    ) -> Background:
        """Segment the axial slice that a slice view shows, as the whole run would, and return at once.

        :param callbacks: as of start; finished is told a new segmentation node, which is not saved with the scene.
        """
        run = SegmentationRun(ct, initial, method, parameters, point_in_slice(ct, view), airways)
        return Background(run, lambda: self._finishPreview(run), **callbacks)

    def processFile(
        self,
        ct,
        out,
        method: str = DEFAULT_METHOD,
        parameters: Parameters = PUBLISHED,
        *,
        initial=None,
        airways: bool = False,
        progress=silent,
    ) -> None:
        """Segment the lungs of an image file or DICOM folder into a mask file, as ``covid-mtl segment`` does."""
        options = segmentation_options(method, parameters, initial, airways)
        Child("segment", f"--out={out}", *options, "--", ct, python=job_python()).wait(progress)

    def _finish(self, run: SegmentationRun, output, reference, table) -> dict:
        run.check_scene()
        compare_with = None if reference is None else labels_of(reference, run.ct)
        output = output or add_lungs_node(run.ct)
        lungs, found = run.finish(output)
        measures = measure_lungs(lungs, found["boundary_supported"]["both"], compare_with)
        table = table or add_lung_table(run.ct)
        fill_lung_table(table, measures, found["warnings"])
        return {"segmentation": output, "table": table, "measures": measures, "warnings": found["warnings"]}

    def _finishPreview(self, run: SegmentationRun) -> vtkMRMLSegmentationNode:
        run.check_scene()
        preview = add_lungs_node(run.ct, "lung preview")
        preview.SetSaveWithScene(False)
        run.finish(preview)
        preview.GetDisplayNode().SetVisibility2DFill(False)
        return preview


class SegmentRefineTest(SelfTest, ScriptedLoadableModuleTest):
    """Self test: the lungs of a synthetic CT are found again."""

    def requirements(self) -> Path:
        return Path(__file__).parent / "Resources" / "SegmentRefine-requirements.txt"

    def test_lungs_are_found(self):
        from COVIDMTLLib.phantom import thorax  # imports SciPy, which would slow down the start of Slicer

        self.delayDisplay("Segmenting a small synthetic CT")
        phantom = thorax(3, ground_glass=0.1, spacing=(1.6, 1.6, 2.0), size=0.48)
        ct = add_volume(phantom.ct, "SyntheticChestCT")
        reference = add_lungs_node(ct, "reference")
        show_lungs(phantom.lungs, reference, ct)
        result = SegmentRefineLogic().process(ct, reference=reference)
        self.assertEqual(result["segmentation"].GetSegmentation().GetNumberOfSegments(), 2)
        self.assertGreater(result["measures"]["Dice"], 0.9)
        self.delayDisplay("Test passed")
