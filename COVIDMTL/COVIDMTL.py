"""COVIDMTL: assessment of COVID-19 pneumonia on a chest CT. Research use only."""

from functools import cached_property
from pathlib import Path

import slicer
from COVIDMTLLib.models.store import needs_torch
from COVIDMTLMRML.results import SEGMENTATION, assessment_of, part_of
from COVIDMTLPanel.background import Background
from COVIDMTLPanel.covidmtl_logic import COVIDMTLLogic
from COVIDMTLPanel.installation import ensure_packages
from COVIDMTLPanel.job_widget import JobView, JobWidget
from COVIDMTLPanel.sections.batch import BatchSection
from COVIDMTLPanel.sections.export import ExportSection
from COVIDMTLPanel.sections.follow import FollowSection, in_words
from COVIDMTLPanel.sections.model import ModelSection
from COVIDMTLPanel.sections.patient import PatientSection, known_of, prior_of
from COVIDMTLPanel.sections.results import ResultsSection
from COVIDMTLPanel.self_test import SelfTest
from COVIDMTLPanel.synthetic_ct import addSyntheticCT, registerSampleData
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleTest


class COVIDMTL(ScriptedLoadableModule):
    """The module as Slicer lists it."""

    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        self.parent.title = _("COVID-MTL")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Quantification")]
        self.parent.dependencies = []
        self.parent.contributors = ["The COVID-MTL developers"]
        self.parent.helpText = _(
            "Assesses COVID-19 pneumonia on a chest CT: lungs, 375 lung features, probabilities of COVID-19 by "
            "radiology and by nucleic acid test, and severity. Research use only; needs Slicer 5.12 or later. See the "
            '<a href="https://github.com/COVID-MTL/SlicerCOVIDMTL#covidmtl">documentation</a>.'
        )
        self.parent.acknowledgementText = _(
            "After Bao et al., COVID-MTL: multitask learning with Shift3D and random-weighted loss for COVID-19 "
            "diagnosis and severity assessment, Pattern Recognition 124, 2022, 108499. Lung features are those of "
            "PyRadiomics (van Griethuysen et al., Cancer Research 77, 2017, e104)."
        )
        slicer.app.connect("startupCompleted()", registerSampleData)


class COVIDMTLWidget(JobWidget):
    """The panel."""

    REMEMBERED = ("model", "device", "method")

    def makeLogic(self):
        return COVIDMTLLogic()

    def setup(self) -> None:
        super().setup()
        self.ui.batchButton.connect("clicked(bool)", self.onBatch)
        self.ui.exportDicomButton.connect("clicked(bool)", self.onExportDicom)
        self.ui.measureOpacitiesButton.connect("clicked(bool)", self.onMeasureOpacities)
        self.ui.vesselsButton.connect("clicked(bool)", self.onVessels)
        self.ui.followButton.connect("clicked(bool)", self.onFollow)
        for event in (slicer.vtkMRMLScene.NodeAddedEvent, slicer.vtkMRMLScene.NodeRemovedEvent):
            self.addObserver(slicer.mrmlScene, event, self.onNodesChanged)
        for view in (self._batchView, self._exportView, self._followView):
            view.cancel.connect("clicked(bool)", self.onCancel)
            view.show_running(False)
            view.say("")

    def parameters(self):
        """The parameters that are shown now, or None."""
        return self._parameterNode

    @cached_property
    def _patient(self) -> PatientSection:
        return PatientSection(self.ui, self.parameters)

    @cached_property
    def _model(self) -> ModelSection:
        return ModelSection(self.ui, self.parameters, self._importModel)

    @cached_property
    def _results(self) -> ResultsSection:
        return ResultsSection(self.ui, self.parameters)

    @cached_property
    def _export(self) -> ExportSection:
        return ExportSection(self.ui, self.parameters)

    @cached_property
    def _batch(self) -> BatchSection:
        return BatchSection(self.ui)

    @cached_property
    def _follow(self) -> FollowSection:
        return FollowSection(self.ui)

    @cached_property
    def _followView(self) -> JobView:
        cancelled = _("Cancelled; nothing was written.")
        return JobView(self.ui.followProgressBar, self.ui.followCancelButton, self.ui.followStatusLabel, cancelled)

    @cached_property
    def _batchView(self) -> JobView:
        stopped = _("Stopped; press Go on to assess the rest.")
        return JobView(self.ui.batchProgressBar, self.ui.batchCancelButton, self.ui.batchStatusLabel, stopped)

    @cached_property
    def _exportView(self) -> JobView:
        cancelled = _("Cancelled; nothing was written.")
        return JobView(self.ui.exportProgressBar, self.ui.exportCancelButton, self.ui.exportStatusLabel, cancelled)

    def applyToolTip(self) -> str:
        return _("Assess the CT")

    def ensurePackages(self) -> None:
        self._ensurePackages(needs_torch(self._parameterNode.model))

    def _ensurePackages(self, torch: bool = False, requirements: str = "COVIDMTL-requirements.txt") -> None:
        ensure_packages(Path(self.resourcePath(requirements)), requester=_("COVID-MTL"), torch=torch)

    def startJob(self) -> Background:
        p = self._parameterNode
        return self.logic.start(
            p.inputVolume,
            p.lungs,
            p.outputSegmentation,
            model=p.model,
            device=p.device.value,
            refine=p.method.value if p.lungs is None else None,  # lungs that are given are taken as they are
            prior=prior_of(p),
            **known_of(p),
            **self.jobCallbacks(self.onFinished),
        )

    def onFinished(self, result: dict) -> None:
        """Show what was found."""
        if self._parameterNode is not None:
            self.showResults()
            self._checkCanApply()  # there is something to export now
            self.ui.resultsCollapsibleButton.collapsed = False

    def onMeasureOpacities(self) -> None:
        """Measure the opacities after they were corrected."""
        self._start(
            lambda: self.logic.startMeasureOpacities(
                self._parameterNode.inputVolume, **self.jobCallbacks(self.onFinished)
            )
        )

    def onVessels(self) -> None:
        """Find the vessels of the lungs."""
        self._start(
            lambda: self.logic.startVessels(self._parameterNode.inputVolume, **self.jobCallbacks(self.onFinished))
        )

    def onBatch(self) -> None:
        """Assess the CTs of the batch."""
        self._start(self.startBatch, self._batchView)

    def startBatch(self) -> Background:
        """Start the batch, or go on with it."""
        p, out = self._parameterNode, self._batch.out
        self._batch.keep_paths()
        return self.logic.startCohort(
            self._batch.table,
            out,
            model=p.model,
            device=p.device.value,
            refine=p.method.value,
            jobs=self._batch.jobs,
            prior=prior_of(p),
            **self.jobCallbacks(lambda rows: self.onBatchFinished(out, rows)),
        )

    def onBatchFinished(self, out: str, rows: list[dict]) -> None:
        """Say what came of the batch, and show its summary in the web browser."""
        failed = sum(bool(row["error"]) for row in rows)
        text = _("Done: {assessed} assessed, {failed} failed. The summary says which and why.")
        self._batchView.say(text.format(assessed=len(rows) - failed, failed=failed))
        self._batch.open_summary(out)

    def onFollow(self) -> None:
        """Compare the CTs that are chosen."""
        self._start(self.startFollow, self._followView)

    def startFollow(self) -> Background:
        """Start to compare the CTs that are chosen."""
        out = self._follow.out
        self._follow.keep_path()
        callbacks = self.jobCallbacks(lambda result: self.onFollowFinished(out, result))
        return self.logic.startFollow(self._follow.cts, out, **callbacks)

    def onFollowFinished(self, out: str, result: dict) -> None:
        """Say what has changed, and show the page in the web browser."""
        self._followView.say(in_words(result))
        self._follow.open_page(out)

    def onNodesChanged(self, caller=None, event=None) -> None:
        """Called when a node came into the scene, or went."""
        if not slicer.mrmlScene.IsBatchProcessing():
            self._follow.show(self._job is not None)

    def onExportDicom(self) -> None:
        """Write the results as DICOM into a folder that the user chooses."""
        folder = self._export.choose_folder()
        if folder:
            self._start(lambda: self.startExportDicom(folder), self._exportView, self._ensureDicomPackages)

    def startExportDicom(self, folder: str) -> Background:
        """Start to write the results as DICOM."""
        keep_identity = self.ui.keepIdentityCheckBox.checked
        self.ui.keepIdentityCheckBox.checked = False  # the next CT may be that of another patient
        return self.logic.startExportDicom(
            self._parameterNode.inputVolume,
            folder,
            keep_identity,
            **self.jobCallbacks(
                lambda out: self._exportView.say(
                    _("Segmentations and a structured report were written into {out}.").format(out=out)
                )
            ),
        )

    def _ensureDicomPackages(self) -> None:
        self._ensurePackages(requirements="COVIDMTL-dicom-requirements.txt")

    def _importModel(self, checkpoint: str, folder: Path) -> Path:
        self._ensurePackages(torch=True)
        with slicer.util.WaitCursor():
            return self.logic.importModel(checkpoint, folder)

    def canRecall(self, name: str, value) -> bool:
        return name != "model" or self._model.has(value)

    def initializeParameterNode(self) -> None:
        self._model.forget()
        super().initializeParameterNode()

    def onParametersModified(self, caller=None, event=None) -> None:
        self._model.show()
        self._patient.show()
        super().onParametersModified(caller, event)

    def showResults(self) -> None:
        self._results.show()

    def _checkCanApply(self) -> None:
        super()._checkCanApply()
        self.ui.methodComboBox.enabled = self._parameterNode is not None and self._parameterNode.lungs is None
        for button in (self.ui.measureOpacitiesButton, self.ui.vesselsButton):
            button.enabled = self._job is None
        self._export.show(self._job is not None)
        self._batch.show(self._job is not None)
        self._follow.show(self._job is not None)


class COVIDMTLTest(SelfTest, ScriptedLoadableModuleTest):
    """Self test: a synthetic CT is assessed with its own lungs."""

    def requirements(self) -> Path:
        return Path(__file__).parent / "Resources" / "COVIDMTL-requirements.txt"

    def test_assessment_is_stored_with_the_ct(self):
        self.delayDisplay("Assessing a small synthetic CT")
        ct = addSyntheticCT(seed=3, spacing=(1.6, 1.6, 2.0), size=0.6)
        result = COVIDMTLLogic().process(ct)
        self.assertEqual(assessment_of(ct), result)
        self.assertTrue(result["tasks"] or result["no_verdict"])
        self.assertGreater(result["lungs"]["both"]["volume_ml"], 0)
        lungs = part_of(ct, SEGMENTATION)
        assert lungs is not None
        self.assertEqual(lungs.GetSegmentation().GetNumberOfSegments(), 2)
        self.delayDisplay("Test passed")
