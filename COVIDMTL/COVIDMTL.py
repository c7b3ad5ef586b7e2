"""COVIDMTL: assessment of COVID-19 pneumonia on a chest CT. Research use only."""

import enum
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated

import qt
import slicer
from COVIDMTLLib import RESEARCH_USE_ONLY
from COVIDMTLLib.batch import assess_folder, assess_in_child
from COVIDMTLLib.child import Child, ChildFailed
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.models import DEFAULT_MODEL, needs_torch
from COVIDMTLLib.patient import check_patient
from COVIDMTLLib.progress import silent
from COVIDMTLLib.writing import staged_file
from COVIDMTLMRML.attention import attention_nodes
from COVIDMTLMRML.results import (
    CHART,
    CONTRIBUTIONS,
    PROBABILITIES,
    SEGMENTATION,
    assessment_of,
    node_of,
    part_of,
    report_of,
)
from COVIDMTLMRML.runs import AssessmentRun, job_python
from COVIDMTLMRML.volumes import add_volume
from COVIDMTLPanel.background import Background
from COVIDMTLPanel.batch_section import BatchSection, open_page
from COVIDMTLPanel.installation import AlreadyTold, ensure_packages
from COVIDMTLPanel.job_widget import JobWidget
from COVIDMTLPanel.model_list import ModelList
from COVIDMTLPanel.patient_section import UNKNOWN_AGE, PatientSection, Sex, known_of
from COVIDMTLPanel.self_test import SelfTest
from COVIDMTLPanel.summaries import card_html, results_html
from COVIDMTLPanel.views import show_chart, show_table
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
)


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


def registerSampleData() -> None:
    """Offer a synthetic CT in the module Sample Data; it is drawn when asked for, not downloaded."""
    import SampleData

    icon = Path(__file__).parent / "Resources" / "Icons" / "SyntheticChestCT.png"
    # Before 5.12 a category had no title but its name. The module is listed there, too, and says what it needs.
    if hasattr(SampleData.SampleDataLogic, "registerCustomSampleDataCategory"):
        SampleData.SampleDataLogic.registerCustomSampleDataCategory("COVIDMTL", title=_("COVID-MTL"))
    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="COVIDMTL",
        sampleName="SyntheticChestCT",
        nodeNames="SyntheticChestCT",
        # Slicer wants an address and a file name of every sample, of one that is drawn too.
        uris="synthetic:SyntheticChestCT",
        fileNames="SyntheticChestCT.nrrd",
        thumbnailFileName=str(icon),
        customDownloader=lambda source: [addSyntheticCT()],
    )


def addSyntheticCT(seed: int = 0, **options) -> vtkMRMLScalarVolumeNode:
    """Draw a synthetic chest CT with opacities, add it to the scene and show it; options as of `thorax`."""
    from COVIDMTLLib.phantom import thorax  # imports SciPy, which would slow down the start of Slicer

    options = {"ground_glass": 0.12, "consolidation": 0.03} | options
    ct = add_volume(thorax(seed, **options).ct, "SyntheticChestCT")
    ct.GetDisplayNode().SetAutoWindowLevel(False)
    ct.GetDisplayNode().SetWindowLevel(1400, -500)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    return ct


class Device(enum.Enum):
    """Where the network runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"

    def label(self) -> str:
        """The text that a selector shows."""
        titles = {"auto": _("Automatic"), "cpu": _("CPU"), "cuda": _("GPU (CUDA)"), "mps": _("GPU (Apple)")}
        return titles[self.value]


@parameterNodeWrapper
class COVIDMTLParameterNode:
    """What the panel keeps in the scene.

    inputVolume - The CT.
    lungs - The lungs to assess; found by the robust method if there are none.
    outputSegmentation - Where the lungs that were assessed are put.
    age - Of the patient, in years; -1 if unknown.
    sex - Of the patient.
    labs - Laboratory values as JSON: numbers by their names in laboratory_values.csv; empty for none.
    model - Name of a shipped model, or path of a model folder.
    device - Where the network runs.
    attention - Name of the task whose attention is shown over the CT; none if empty.
    attentionOpacity - How much of the CT it covers.
    """

    inputVolume: vtkMRMLScalarVolumeNode
    lungs: vtkMRMLSegmentationNode
    outputSegmentation: vtkMRMLSegmentationNode
    age: Annotated[int, WithinRange(UNKNOWN_AGE, 120)] = UNKNOWN_AGE
    sex: Sex = Sex.UNKNOWN
    labs: str = ""
    model: str = DEFAULT_MODEL
    device: Device = Device.AUTO
    attention: str = ""
    attentionOpacity: Annotated[float, WithinRange(0, 1)] = 0.5


class COVIDMTLWidget(JobWidget):
    """The panel."""

    def makeLogic(self):
        return COVIDMTLLogic()

    def setup(self) -> None:
        self._models, self._cards = ModelList(), {}
        self._overlay = self._batch = None
        super().setup()
        self._batch = BatchSection(self.ui, self._checkCanApply)
        self.ui.batchButton.connect("clicked(bool)", self.onBatch)
        self._checkCanApply()
        self.ui.modelComboBox.connect("currentIndexChanged(int)", self.onModelSelected)
        self.ui.addModelButton.connect("clicked(bool)", self.onAddModel)
        self.ui.importModelButton.connect("clicked(bool)", self.onImportModel)
        self.ui.attentionComboBox.connect("currentIndexChanged(int)", self.onAttentionSelected)
        self.ui.openReportButton.connect("clicked(bool)", self.onOpenReport)
        self.ui.saveReportButton.connect("clicked(bool)", self.onSaveReport)
        self.ui.tableButton.connect("clicked(bool)", lambda: show_table(self._part(PROBABILITIES)))
        self.ui.plotButton.connect("clicked(bool)", lambda: show_chart(self._part(CHART)))
        self.ui.contributionsButton.connect("clicked(bool)", lambda: show_table(self._part(CONTRIBUTIONS)))

    @cached_property
    def _patient(self) -> PatientSection:
        return PatientSection(self.ui, lambda: self._parameterNode)

    def applyToolTip(self) -> str:
        return _("Assess the CT")

    def ensurePackages(self) -> None:
        self._ensurePackages(needs_torch(self._parameterNode.model))

    def _ensurePackages(self, torch: bool) -> None:
        requirements = Path(self.resourcePath("COVIDMTL-requirements.txt"))
        ensure_packages(requirements, requester=_("COVID-MTL"), torch=torch)

    def startJob(self) -> Background:
        p = self._parameterNode
        return self.logic.start(
            p.inputVolume,
            p.lungs,
            p.outputSegmentation,
            model=p.model,
            device=p.device.value,
            **known_of(p),
            **self.jobCallbacks(self.onFinished),
        )

    def onBatch(self) -> None:
        """Assess all CTs of a folder or a table."""
        self._start(self.startBatch)

    def startBatch(self) -> Background:
        """Start the batch with the model and the device that are chosen."""
        p = self._parameterNode
        return self._batch.start(p.model, p.device.value, **self.jobCallbacks(open_page))

    def _checkCanApply(self) -> None:
        super()._checkCanApply()
        ready = self._batch is not None and self._batch.ready
        self.ui.batchButton.enabled = ready and self._parameterNode is not None and self._job is None
        self.ui.batchButton.toolTip = (
            _("Assess all CTs with the model above; press it again to go on after a stop")
            if ready
            else _("Choose where the CTs are and where the results go")
        )

    def onFinished(self, result: dict) -> None:
        """Show what was found."""
        if self._parameterNode is not None:
            self.showResults()
            self.ui.resultsCollapsibleButton.collapsed = False

    def initializeParameterNode(self) -> None:
        self._cards = {}  # model folders may have come or gone since
        super().initializeParameterNode()

    def onParametersModified(self, caller=None, event=None) -> None:
        self._showModels()
        self._patient.show()
        super().onParametersModified(caller, event)

    def onModelSelected(self, index: int) -> None:
        """Called when another model was chosen, by the user or by `_showModels`."""
        model = self.ui.modelComboBox.itemData(index)
        if self._parameterNode is not None and model and model != self._parameterNode.model:
            self._parameterNode.model = model

    def onAddModel(self) -> None:
        """Let the user choose a model folder."""
        folder = qt.QFileDialog.getExistingDirectory(self.parent, _("Choose a model folder"))
        if not folder:
            return
        try:
            self._parameterNode.model = self._models.add(folder)
        except InputError as error:
            slicer.util.errorDisplay(str(error))

    def onImportModel(self) -> None:
        """Let the user choose a checkpoint and a new folder, and make a model of it."""
        checkpoint = qt.QFileDialog.getOpenFileName(self.parent, _("Choose a checkpoint of PyTorch"))
        if not checkpoint:
            return
        parent = qt.QFileDialog.getExistingDirectory(self.parent, _("Choose where to put the model's folder"))
        if not parent:
            return
        with slicer.util.tryWithErrorDisplay(_("The checkpoint could not be imported.")):
            try:
                self._ensurePackages(torch=True)
                with slicer.util.WaitCursor():
                    folder = self.logic.importModel(checkpoint, Path(parent) / f"{Path(checkpoint).stem}-model")
                self._parameterNode.model = self._models.add(folder)
                return
            except AlreadyTold:
                return
            except (InputError, ChildFailed) as error:
                refused = str(error)
        slicer.util.errorDisplay(refused)

    def onAttentionSelected(self, index: int) -> None:
        """Called when another task's attention was chosen, by the user or by `_showAttention`."""
        task = self.ui.attentionComboBox.itemData(index) or ""
        if self._parameterNode is not None and task != self._parameterNode.attention:
            self._parameterNode.attention = task

    def onOpenReport(self) -> None:
        """Show the report in the web browser."""
        with slicer.util.tryWithErrorDisplay(_("The report could not be opened.")):
            path = Path(slicer.app.temporaryPath) / "COVID-MTL-report.html"
            path.write_text(report_of(self._parameterNode.inputVolume), encoding="utf-8")
            open_page(path)

    def onSaveReport(self) -> None:
        """Save the report where the user wants it."""
        ct = self._parameterNode.inputVolume
        name = qt.QFileDialog.getSaveFileName(
            self.parent, _("Save the report"), f"{ct.GetName()} COVID-MTL.html", _("Web page (*.html)")
        )
        if not name:
            return
        if not name.lower().endswith((".html", ".htm")):  # which not every system's dialog adds
            name += ".html"
        try:
            self.logic.saveReport(ct, name)
        except InputError as error:
            slicer.util.errorDisplay(str(error))

    def showResults(self) -> None:
        ct = self._parameterNode.inputVolume if self._parameterNode is not None else None
        result = assessment_of(ct) if ct is not None else None
        names = ("warnings", "verdicts", "lungs", "patient", "contributions")
        labels = [getattr(self.ui, f"{name}Label") for name in names]
        for label, text in zip(labels, results_html(result), strict=True):
            label.text = text
            label.visible = bool(text)
        self.ui.contributionsCollapsibleButton.visible = bool(self.ui.contributionsLabel.text)
        self.ui.resultsCaptionLabel.text = (
            f"<b>{result['case']}</b><br/>{RESEARCH_USE_ONLY}" if result else _("Nothing assessed yet.")
        )
        for button in (self.ui.openReportButton, self.ui.saveReportButton):
            button.enabled = result is not None
        for button in (self.ui.tableButton, self.ui.plotButton):
            button.enabled = bool(result and result["tasks"])
        self.ui.contributionsButton.visible = result is not None and self._part(CONTRIBUTIONS) is not None
        self.ui.show3DButton.setSegmentationNode(self._part(SEGMENTATION) if result else None)
        self._showAttention(ct, result)

    def _showAttention(self, ct, result) -> None:
        """Offer the attention maps of the assessment, and lay the chosen one over the CT."""
        maps = attention_nodes(node_of(ct)) if result else {}
        self.ui.attentionWidget.visible = bool(maps)
        combo = self.ui.attentionComboBox
        combo.blockSignals(True)
        combo.clear()
        combo.addItem(_("None"), "")
        for task in maps:
            combo.addItem(result["tasks"][task]["title"], task)
        chosen = self._parameterNode.attention if maps else ""
        combo.currentIndex = max(0, combo.findData(chosen))
        combo.blockSignals(False)
        overlay = maps.get(chosen)
        if overlay is None and self._overlay is None:
            return
        opacity = self._parameterNode.attentionOpacity if overlay is not None else 0
        slicer.util.setSliceViewerLayers(foreground=overlay, foregroundOpacity=opacity)
        self._overlay = overlay

    def _part(self, role: str):
        return part_of(self._parameterNode.inputVolume, role)

    def _showModels(self) -> None:
        """Bring the list of models and the card up to date with the parameter."""
        combo, model = self.ui.modelComboBox, self._parameterNode.model
        combo.blockSignals(True)
        if model not in self._cards:
            self._cards = self._models.cards(also=model)
            combo.clear()
            for name, card in self._cards.items():
                combo.addItem(card.get("title", card["name"]), name)
        combo.currentIndex = combo.findData(model)
        combo.blockSignals(False)
        missing = _("The model {model} is not there; choose another one.").format(model=model)
        self.ui.modelCardLabel.text = card_html(self._cards[model]) if model in self._cards else missing


class COVIDMTLLogic(ScriptedLoadableModuleLogic):
    """Assessments by script; results are those of the command line ``covid-mtl``, to the last digit."""

    def getParameterNode(self):
        """The parameters of the panel."""
        return COVIDMTLParameterNode(super().getParameterNode())

    def process(
        self,
        ct: vtkMRMLScalarVolumeNode,
        lungs: vtkMRMLSegmentationNode | None = None,
        output: vtkMRMLSegmentationNode | None = None,
        *,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        refine: str | None = None,
        age: float | None = None,
        sex: str | None = None,
        labs: str | Path | dict | None = None,
        progress=silent,
    ) -> dict:
        """Assess a CT and wait for the end. Research use only.

        :param ct: chest CT in HU.
        :param lungs: the lungs to assess, taken as they are; found by the method robust if there are none.
        :param output: is given the lungs that were assessed; by default the node of an earlier run on this CT,
            or a new one.
        :param model: name of a shipped model, or path of a model folder.
        :param device: "auto", "cpu", "cuda" or "mps".
        :param refine: "robust", "active-contour" or "none"; see COVIDMTLLib.assessment.assess.
        :param age: of the patient, in years.
        :param sex: "female" or "male".
        :param labs: laboratory values: a CSV or JSON file, or numbers by their names in laboratory_values.csv.
        :param progress: is told step, share done (0 to 1) and a line of text; what it raises cancels the run.
        :returns: what assessment.json holds; it is also stored in the scene, with tables, plot and report.
        :raises InputError: if the input cannot be used; ChildFailed: if the run failed for another reason.
        """
        run = AssessmentRun(ct, lungs, model, device, refine, check_patient(age, sex, labs))
        run.wait(progress)
        return self._finish(run, output)

    def start(
        self,
        ct: vtkMRMLScalarVolumeNode,
        lungs: vtkMRMLSegmentationNode | None = None,
        output: vtkMRMLSegmentationNode | None = None,
        *,
        model: str = DEFAULT_MODEL,
        device: str = "auto",
        refine: str | None = None,
        age: float | None = None,
        sex: str | None = None,
        labs: str | Path | dict | None = None,
        **callbacks,
    ) -> Background:
        """As process, but return at once.

        :param callbacks: progress, finished (is told the result) and failed (is told the exception).
        :returns: the run in the background, which has cancel().
        """
        run = AssessmentRun(ct, lungs, model, device, refine, check_patient(age, sex, labs))
        return Background(run, lambda: self._finish(run, output), **callbacks)

    def processFile(self, ct, out, *, progress=silent, **options) -> dict:
        """Assess an image file or DICOM folder into a folder, as ``covid-mtl assess`` does.

        :param options: those of the command line: lungs, model, device, refine, age, sex, labs, series, grid, name.
        :returns: what assessment.json holds.
        """
        assess_in_child(ct, out, progress=progress, python=job_python(), **options)
        return json.loads((Path(out) / "assessment.json").read_text(encoding="utf-8"))

    def processFolder(self, folder, out, *, progress=silent, **options) -> list[dict]:
        """Assess every CT of a folder, one row each in batch.csv; a failed case is named and does not stop the
        rest, and a stopped batch goes on where it was.

        :param options: those of the command line, for every case, and patients: a CSV file of what is known of each
            patient, with a column case and any of age, sex and laboratory values.
        :returns: the rows.
        """
        return assess_folder(folder, out, progress=progress, assess=assess_in_child, python=job_python(), **options)

    def importModel(self, checkpoint, folder, *, featuresFrom: str = DEFAULT_MODEL, progress=silent) -> Path:
        """Make a model folder of a published checkpoint, as ``covid-mtl model import`` does.

        :param checkpoint: state dict that PyTorch saved; nothing in it is executed.
        :param folder: a new folder.
        :param featuresFrom: the model whose features and scaling a network that takes features is to have.
        :returns: the folder.
        """
        options = [f"--out={folder}", f"--features-from={featuresFrom}"]
        Child("model", "import", *options, "--", checkpoint, python=job_python()).wait(progress)
        return Path(folder)

    def saveReport(self, ct: vtkMRMLScalarVolumeNode, path) -> None:
        """Write the report of a CT that was assessed as a web page."""
        report = report_of(ct)
        if report is None:
            raise InputError(f"{ct.GetName()} has not been assessed; press Apply first.")
        with staged_file(path) as file:
            file.write_text(report, encoding="utf-8")

    def _finish(self, run: AssessmentRun, output: vtkMRMLSegmentationNode | None) -> dict:
        return json.loads(run.finish(output).GetText())


class COVIDMTLTest(SelfTest, ScriptedLoadableModuleTest):
    """Self test: a synthetic CT is assessed with its own lungs."""

    def requirements(self) -> Path:
        return Path(__file__).parent / "Resources" / "COVIDMTL-requirements.txt"

    def test_assessment_is_stored_with_the_ct(self):
        self.delayDisplay("Assessing a small synthetic CT")
        ct = addSyntheticCT(seed=3, spacing=(1.6, 1.6, 2.0), size=0.6)
        result = COVIDMTLLogic().process(ct)
        self.assertEqual(assessment_of(ct), result)
        for task in result["tasks"].values():
            self.assertAlmostEqual(sum(task["probabilities"]), 1)
        lungs = part_of(ct, SEGMENTATION)
        self.assertEqual(lungs.GetSegmentation().GetNumberOfSegments(), 2)
        self.delayDisplay("Test passed")
