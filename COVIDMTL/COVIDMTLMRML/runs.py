"""Jobs of the command line on nodes: files in a temporary folder, a child process, results in the scene.

The scene is changed only by `finish`, when the job is done. The folder is gone when the run is over,
however it ended.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import slicer
from COVIDMTLLib.assessment.options import AssessmentOptions
from COVIDMTLLib.imaging.ct_checks import check_ct
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.io.writer import write_volume
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.patient.patient import Patient
from COVIDMTLLib.prediction.likelihood_ratio import check_prior
from COVIDMTLLib.processes.command_process import Child
from COVIDMTLLib.processes.process_group import JOB_FOLDER
from COVIDMTLLib.segmentation.methods import SegmentationOptions
from COVIDMTLLib.utils.errors import InputError
from COVIDMTLLib.utils.progress import Callback, silent

from .attention import store_attention
from .results import LUNGS_DIGEST, OPACITIES, OPACITIES_DIGEST, SEGMENTATION, part_of, store_assessment
from .segmentations import add_lungs_node, digest_of, labels_of, opacities_of, show_lungs, show_opacities, sides_of
from .volumes import volume_of

DEFAULT_SEGMENTATION, DEFAULT_ASSESSMENT, NOTHING_KNOWN = SegmentationOptions(), AssessmentOptions(), Patient()


def job_python() -> str:
    """The Python that runs jobs: PythonSlicer inside Slicer, where ``sys.executable`` may be Slicer itself."""
    return shutil.which("PythonSlicer") or sys.executable


class Job(ABC):
    """A command line in a child process, with a temporary folder for its files.

    Started by its making; then `poll` it until it returns False.

    Raises
    ------
    InputError
        If what it is made of cannot be used.
    """

    def __init__(self):
        self._temporary = tempfile.TemporaryDirectory(prefix=JOB_FOLDER, ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        try:
            self._prepare()
            self._child = Child(*self._arguments(), python=job_python(), folder=self.folder)
        except BaseException:
            self._temporary.cleanup()
            raise

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the command needs into the folder."""

    @abstractmethod
    def _arguments(self) -> list[object]:
        """The command and its options."""

    @property
    def log(self) -> list[str]:
        """As `Child.log`: what the job and its libraries say besides progress, line by line, as it comes."""
        return self._child.log

    def poll(self, progress: Callback = silent) -> bool:
        """As `Child.poll`: whether the job still runs, or an error, after which the run is over."""
        try:
            return self._child.poll(progress)
        except BaseException:
            self.cancel()
            raise

    def wait(self, progress: Callback = silent) -> None:
        """As `Child.wait`: block until the job is done; an error or an interruption ends the run."""
        try:
            self._child.wait(progress)
        except BaseException:
            self.cancel()
            raise

    def cancel(self) -> None:
        """End the run at once and leave nothing of it."""
        self._child.cancel()
        self._temporary.cleanup()


class Run(Job):
    """A job on a CT, whose results `finish` puts into the scene.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
    segmentation : vtkMRMLSegmentationNode, optional
        Lungs to start from.

    Raises
    ------
    InputError
        If a node cannot be used.
    """

    def __init__(self, ct: slicer.vtkMRMLScalarVolumeNode, segmentation: slicer.vtkMRMLSegmentationNode | None = None):
        self.ct, self._segmentation = ct, segmentation
        super().__init__()

    def _prepare(self) -> None:
        # Names of nodes may be no names of files: too long, or of characters that no file has.
        self._ct_file, volume = self.folder / "ct.nrrd", volume_of(self.ct)
        check_ct(volume, self.ct.GetName())
        write_volume(volume, self._ct_file, compress=False)
        self._mask_file = None
        if self._segmentation is not None:
            self._mask_file = self.folder / "mask.nrrd"
            write_volume(labels_of(self._segmentation, self.ct), self._mask_file)

    def check_scene(self) -> None:
        """Raise `InputError` if the CT has gone from its scene since the run was started."""
        if self.ct.GetScene() is None:
            self._temporary.cleanup()
            raise InputError(f"{self.ct.GetName()} was removed from the scene during the run; the result was dropped.")


class SegmentationRun(Run):
    """Segmentation of the lungs of a CT.

    Parameters
    ----------
    ct, segmentation
        As of `Run`.
    options : SegmentationOptions
        With a point in the world, only the axial slice through it is segmented, as a preview.
    """

    def __init__(self, ct, segmentation=None, options: SegmentationOptions = DEFAULT_SEGMENTATION):
        self.options = options
        super().__init__(ct, segmentation)

    def _arguments(self) -> list[object]:
        initial = [] if self._mask_file is None else [f"--initial={self._mask_file}"]
        measures = [] if self.options.through is not None else ["--measures", self.folder / "measures.json"]
        named = f"--name={self.ct.GetName()}"  # in one word with its option, a name may begin with a hyphen
        arguments = ["segment", self._ct_file, "--out", self.folder / "lungs.nrrd", named]
        return [*arguments, *self.options.to_arguments(), *initial, *measures]

    def finish(self, output: slicer.vtkMRMLSegmentationNode) -> tuple[Volume, dict[str, Any] | None]:
        """Put the lungs, right and left, into a segmentation node; the run is over.

        Returns
        -------
        lungs : Volume
            The same as labels on the grid of the CT: 1 right lung, 2 left lung, 3 trachea and main bronchi.
        measures : dict or None
            What the command line measures of them (see `COVIDMTLLib.assessment.jobs.segment`); None of a preview.
        """
        self.check_scene()
        with self._temporary:
            lungs = read_mask(self.folder / "lungs.nrrd")
            show_lungs(lungs, output, self.ct)
            measures = self.folder / "measures.json"
            return lungs, json.loads(measures.read_text(encoding="utf-8")) if self.options.through is None else None


class AssessmentRun(Run):
    """Assessment of a CT. Research use only.

    Parameters
    ----------
    ct, segmentation
        As of `Run`.
    options : AssessmentOptions
    patient : Patient
        What is known besides the CT.
    """

    def __init__(
        self,
        ct,
        segmentation=None,
        options: AssessmentOptions = DEFAULT_ASSESSMENT,
        patient: Patient = NOTHING_KNOWN,
    ):
        check_prior(options.prior)
        self.options, self.patient = options, patient
        super().__init__(ct, segmentation)

    def _arguments(self) -> list[object]:
        lungs = [] if self._mask_file is None else ["--lungs", self._mask_file]
        fixed = ["--out", self.folder / "out", f"--name={self.ct.GetName()}"]
        return ["assess", self._ct_file, *fixed, *self.options.to_arguments(), *lungs, *self._patient_options()]

    def _patient_options(self) -> list[object]:
        known: dict[str, object] = {"--age": self.patient.age, "--sex": self.patient.sex}
        if self.patient.labs:
            labs = self.folder / "labs.json"
            labs.write_text(json.dumps(dict(self.patient.labs)), encoding="utf-8")
            known["--labs"] = labs
        return [word for option, value in known.items() if value is not None for word in (option, value)]

    def finish(self, lungs: slicer.vtkMRMLSegmentationNode | None = None) -> slicer.vtkMRMLTextNode:
        """Store the assessment in the scene; the run is over.

        Parameters
        ----------
        lungs : vtkMRMLSegmentationNode, optional
            Is given the lungs that were assessed; by default that of an earlier run on the CT, or a new one.

        Returns
        -------
        vtkMRMLTextNode
            See `store_assessment`.
        """
        self.check_scene()
        with self._temporary:
            out = self.folder / "out"
            lungs = lungs or part_of(self.ct, SEGMENTATION) or add_lungs_node(self.ct)
            show_lungs(read_mask(out / "lungs.nrrd"), lungs, self.ct)
            attended = sorted(path.stem.removeprefix("attention_") for path in out.glob("attention_*.nrrd"))
            result = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
            features = out / "features.csv"  # not there if no model takes them
            text = store_assessment(
                result,
                self.ct,
                (out / "report.html").read_text(encoding="utf-8"),
                lungs,
                features.read_text(encoding="utf-8") if features.is_file() else None,
            )
            text.SetAttribute(LUNGS_DIGEST, digest_of(sides_of(lungs, self.ct)))
            self._show_opacities(text, out / "opacities.nrrd")
            store_attention(text, self.ct, {task: _read(out / f"attention_{task}.nrrd") for task in attended})
            return text

    def _show_opacities(self, text: slicer.vtkMRMLTextNode, path: Path) -> None:
        node = text.GetNodeReference(OPACITIES) or add_lungs_node(self.ct, "opacities")
        show_opacities(read_mask(path, empty=True), node, self.ct)
        text.SetAttribute(OPACITIES_DIGEST, digest_of(opacities_of(node, self.ct)))
        text.SetNodeReferenceID(OPACITIES, node.GetID())


def _read(path: Path) -> Volume:
    import SimpleITK as sitk

    return Volume.from_image(sitk.ReadImage(str(path)))
