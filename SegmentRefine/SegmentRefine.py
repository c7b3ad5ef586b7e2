"""SegmentRefine: the lungs of a chest CT, segmented and refined. Research use only."""

from pathlib import Path
from typing import Any

import slicer
from COVIDMTLLib.segmentation.methods import PUBLISHED, Parameters
from COVIDMTLMRML.lung_tables import read_lung_table, read_warnings
from COVIDMTLMRML.segmentations import add_lungs_node, show_lungs
from COVIDMTLMRML.slices import red_slice
from COVIDMTLMRML.volumes import add_volume
from COVIDMTLPanel.background import Background
from COVIDMTLPanel.installation import ensure_packages
from COVIDMTLPanel.job_widget import JobWidget
from COVIDMTLPanel.refine_logic import SegmentRefineLogic
from COVIDMTLPanel.refine_parameters import Method
from COVIDMTLPanel.self_test import SelfTest
from COVIDMTLPanel.texts.summaries import measures_html, warnings_html
from COVIDMTLPanel.views import show_table
from slicer import vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
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


class SegmentRefineWidget(JobWidget):
    """The panel."""

    REMEMBERED = ("method",)

    def makeLogic(self):
        return SegmentRefineLogic()

    def setup(self) -> None:
        self._preview: vtkMRMLSegmentationNode | None = None
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
        self._view.say(_("Preview of the slice at {offset:.1f} mm.").format(offset=self._previewOffset))

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
        measures: dict[str, Any] = read_lung_table(table) if table is not None else {}
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
