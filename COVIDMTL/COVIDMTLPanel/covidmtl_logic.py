"""What the module COVIDMTL does, by script and for its panel."""

import csv
import json
from pathlib import Path

import slicer
from COVIDMTLLib.assessment.options import AssessmentOptions
from COVIDMTLLib.cohort.folder import assess_folder, assess_in_child
from COVIDMTLLib.cohort.output import TABLE
from COVIDMTLLib.models.checkpoint_import import RELEASE
from COVIDMTLLib.models.store import DEFAULT_MODEL
from COVIDMTLLib.patient.patient import check_patient
from COVIDMTLLib.processes.command_process import Child
from COVIDMTLLib.utils.progress import silent
from COVIDMTLMRML import exports
from COVIDMTLMRML.corrections import OpacitiesRun, VesselsRun
from COVIDMTLMRML.follow import FollowRun
from COVIDMTLMRML.runs import AssessmentRun, job_python
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.ScriptedLoadableModule import ScriptedLoadableModuleLogic

from .background import Background
from .covidmtl_parameters import COVIDMTLParameterNode


class COVIDMTLLogic(ScriptedLoadableModuleLogic):
    """Assessments by script; results are those of the command line ``covid-mtl``, to the last digit."""

    def getParameterNode(self):
        """The parameters of the panel."""
        return COVIDMTLParameterNode(super().getParameterNode())  # type: ignore[call-arg]

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
        prior: float | None = None,
        progress=silent,
    ) -> dict:
        """Assess a CT and wait for the end. Research use only.

        :param ct: chest CT in HU.
        :param lungs: the lungs to assess, taken as they are; found by ``refine`` if there are none.
        :param output: is given the lungs that were assessed; by default the node of an earlier run on this CT,
            or a new one.
        :param model: name of a shipped model, or path of a model folder.
        :param device: "auto", "cpu", "cuda" or "mps".
        :param refine: "robust", "active-contour" or "none"; see COVIDMTLLib.assessment.pipeline.assess.
        :param age: of the patient, in years.
        :param sex: "female" or "male".
        :param labs: laboratory values: a CSV or JSON file, or numbers by their names in laboratory_values.csv.
        :param prior: probability of COVID-19 before the CT, above 0 and below 1, for a model that gives likelihood
            ratios.
        :param progress: is told step, share done (0 to 1) and a line of text; what it raises cancels the run.
        :returns: what assessment.json holds; it is also stored in the scene, with tables, plot and report.
        :raises InputError: if the input cannot be used; ChildFailed: if the run failed for another reason.
        """
        options = AssessmentOptions((str(model),), refine, device, prior=prior)
        run = AssessmentRun(ct, lungs, options, check_patient(age, sex, labs))
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
        prior: float | None = None,
        **callbacks,
    ) -> Background:
        """As process, but return at once.

        :param callbacks: progress, finished (is told the result) and failed (is told the exception).
        :returns: the run in the background, which has cancel().
        """
        options = AssessmentOptions((str(model),), refine, device, prior=prior)
        run = AssessmentRun(ct, lungs, options, check_patient(age, sex, labs))
        return Background(run, lambda: self._finish(run, output), **callbacks)

    def processFile(self, ct, out, *, progress=silent, **options) -> dict:
        """Assess an image file or DICOM folder into a folder, as ``covid-mtl assess`` does.

        :param options: those of the command line: lungs, model, device, refine, age, sex, labs, prior, series, grid,
            name.
        :returns: what assessment.json holds.
        """
        assess_in_child(ct, out, progress=progress, python=job_python(), **options)
        return json.loads((Path(out) / "assessment.json").read_text(encoding="utf-8"))

    def processFolder(self, folder, out, *, progress=silent, **options) -> list[dict]:
        """Assess every CT of a folder, one row each in batch.csv.

        A failed case is named and does not stop the rest, and a stopped batch goes on where it was.

        :param options: those of the command line, for every case, and patients: a CSV file of what is known of each
            patient, with a column case and any of age, sex and laboratory values.
        :returns: the rows.
        """
        return assess_folder(folder, out, progress=progress, assess=assess_in_child, python=job_python(), **options)

    def importModel(self, checkpoint, folder, *, featuresFrom: str = RELEASE, progress=silent) -> Path:
        """Make a model folder of a published checkpoint, as ``covid-mtl model import`` does.

        :param checkpoint: state dict that PyTorch saved; nothing in it is executed.
        :param folder: a new folder.
        :param featuresFrom: whose features and scaling a network that takes features is to have: release, as the
            paper's authors scaled them, or a model.
        :returns: the folder.
        """
        options = [f"--out={folder}", f"--features-from={featuresFrom}"]
        Child("model", "import", *options, "--", checkpoint, python=job_python()).wait(progress)
        return Path(folder)

    def startCohort(
        self, table, out, *, model, device="auto", refine=None, jobs=1, prior=None, **callbacks
    ) -> Background:
        """Assess the CTs of a folder or a table, as ``covid-mtl cohort`` does, and return at once.

        Called again, it goes on where it was stopped.

        :param table: folder of CTs, or a table of them; see COVIDMTLLib.cohort.table.read_cases.
        :param out: folder for the results.
        :param jobs: how many CTs to assess at once.
        :param prior: as of process.
        :param callbacks: as of start; finished is told the rows of cohort.csv, texts by columns.
        :returns: the run in the background, which has cancel().
        """
        options = AssessmentOptions((str(model),), refine or None, device, prior=prior).to_arguments()
        child = Child("cohort", f"--out={out}", f"--jobs={jobs}", *options, "--", table, python=job_python())

        def rows() -> list[dict]:
            with (Path(out) / TABLE).open(newline="", encoding="utf-8") as file:
                return list(csv.DictReader(file))

        return Background(child, rows, **callbacks)

    def startFollow(self, cts, out, **callbacks) -> Background:
        """Compare CTs of one patient in time, as ``covid-mtl follow`` does, and return at once.

        :param cts: when each CT was made, such as 2020-02-29, by its node; empty for no date, or that of its DICOM
            files.
        :param out: folder for the results.
        :param callbacks: as of start; finished is told what follow.json holds.
        :returns: the run in the background, which has cancel().
        """
        run = FollowRun(cts, out)
        return Background(run, run.finish, **callbacks)

    def startMeasureOpacities(self, ct: vtkMRMLScalarVolumeNode, **callbacks) -> Background:
        """Measure the opacities of a CT that was assessed as they are now, and return at once.

        For those that were corrected in Segment Editor.

        :param callbacks: as of start; finished is told what assessment.json holds, with the new measures.
        :returns: the run in the background, which has cancel().
        """
        run = OpacitiesRun(ct)
        return Background(run, lambda: json.loads(run.finish().GetText()), **callbacks)

    def startVessels(self, ct: vtkMRMLScalarVolumeNode, **callbacks) -> Background:
        """Find the vessels in the lungs of a CT that was assessed, and return at once.

        :param callbacks: as of start; finished is told what assessment.json holds.
        :returns: the run in the background, which has cancel().
        """
        run = VesselsRun(ct)
        return Background(run, lambda: json.loads(run.finish().GetText()), **callbacks)

    def startExportDicom(
        self, ct: vtkMRMLScalarVolumeNode, folder, keepIdentity: bool = False, **callbacks
    ) -> Background:
        """Write the results of a CT that was assessed and came from DICOM as DICOM, and return at once.

        Files are lungs.dcm and opacities.dcm, segmentations, and assessment.dcm, a structured report.

        :param folder: where to.
        :param keepIdentity: carry patient and study from the series, instead of leaving them out.
        :param callbacks: as of start; finished is told the folder.
        :returns: the run in the background, which has cancel().
        """
        export = exports.DicomExport(ct, exports.dicom_files(ct, slicer.app.dicomDatabase()), folder, keepIdentity)
        return Background(export, export.finish, **callbacks)

    def saveReport(self, ct: vtkMRMLScalarVolumeNode, path) -> None:
        """Write the report of a CT that was assessed as a web page; see COVIDMTLMRML.exports for tables and JSON."""
        exports.write_report(ct, path)

    def _finish(self, run: AssessmentRun, output: vtkMRMLSegmentationNode | None) -> dict:
        return json.loads(run.finish(output).GetText())
