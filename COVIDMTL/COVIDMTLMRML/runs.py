"""Jobs of the command line on nodes: files in a temporary folder, a child process, results in the scene.

The scene is changed only by `finish`, when the job is done. The folder is gone when the run is over,
however it ended.
"""

from __future__ import annotations

import json
import sys
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path

import slicer
from COVIDMTLLib.child import Child
from COVIDMTLLib.models import DEFAULT_MODEL
from COVIDMTLLib.progress import Callback, silent
from COVIDMTLLib.reading import read_mask
from COVIDMTLLib.segmentation import DEFAULT_METHOD
from COVIDMTLLib.writing import write_volume

from .results import store_assessment
from .segmentations import labels_of, show_lungs
from .volumes import volume_of


class Run(ABC):
    """A job on a CT. Started by its making; then `poll` it until it returns False, and `finish` it.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
    segmentation : vtkMRMLSegmentationNode, optional
        Lungs to start from.
    python : str
        The Python to run the job with; inside Slicer its PythonSlicer.

    Raises
    ------
    InputError
        If a node cannot be used.
    """

    def __init__(
        self,
        ct: slicer.vtkMRMLScalarVolumeNode,
        segmentation: slicer.vtkMRMLSegmentationNode | None = None,
        python: str = sys.executable,
    ):
        self.ct = ct
        self._temporary = tempfile.TemporaryDirectory(prefix="covid-mtl-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        try:
            # Named like the node, for that is what errors and the report call it.
            self._ct_file = self.folder / f"{_file_name(ct)}.nrrd"
            write_volume(volume_of(ct), self._ct_file)
            self._mask_file = None
            if segmentation is not None:
                self._mask_file = self.folder / f"{_file_name(segmentation)}.mask.nrrd"
                write_volume(labels_of(segmentation, ct), self._mask_file)
            self._child = Child(*self._arguments(), python=python)
        except BaseException:
            self._temporary.cleanup()
            raise

    @abstractmethod
    def _arguments(self) -> list[object]:
        """The command and its options."""

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


class SegmentationRun(Run):
    """Segmentation of the lungs of a CT.

    Parameters
    ----------
    method : str
        One of `COVIDMTLLib.segmentation.METHODS`.
    ct, segmentation, python
        As of `Run`.
    """

    def __init__(self, ct, segmentation=None, method: str = DEFAULT_METHOD, python: str = sys.executable):
        self.method = method
        super().__init__(ct, segmentation, python)

    def _arguments(self) -> list[object]:
        initial = [] if self._mask_file is None else ["--initial", self._mask_file]
        return ["segment", self._ct_file, "--out", self.folder / "lungs.nrrd", "--method", self.method, *initial]

    def finish(self, output: slicer.vtkMRMLSegmentationNode) -> None:
        """Put the lungs, right and left, into a segmentation node; the run is over."""
        with self._temporary:
            show_lungs(read_mask(self.folder / "lungs.nrrd"), output, self.ct)


class AssessmentRun(Run):
    """Assessment of a CT. Research use only.

    Parameters
    ----------
    model : str or path
        Name of a shipped model, or a model folder.
    refine : {"active-contour", "none"}, optional
        See `COVIDMTLLib.assessment.assess`.
    ct, segmentation, python
        As of `Run`.
    """

    def __init__(
        self,
        ct,
        segmentation=None,
        model: str | Path = DEFAULT_MODEL,
        refine: str | None = None,
        python: str = sys.executable,
    ):
        self.model, self.refine = model, refine
        super().__init__(ct, segmentation, python)

    def _arguments(self) -> list[object]:
        lungs = [] if self._mask_file is None else ["--lungs", self._mask_file]
        refine = [] if self.refine is None else ["--refine", self.refine]
        return ["assess", self._ct_file, "--out", self.folder / "out", "--model", self.model, *lungs, *refine]

    def finish(self, lungs: slicer.vtkMRMLSegmentationNode | None = None) -> slicer.vtkMRMLTextNode:
        """Store the assessment in the scene, and the lungs in a segmentation node if one is given; the
        run is over.

        Returns
        -------
        vtkMRMLTextNode
            See `store_assessment`.
        """
        with self._temporary:
            out = self.folder / "out"
            if lungs is not None:
                show_lungs(read_mask(out / "lungs.nrrd"), lungs, self.ct)
            result = json.loads((out / "assessment.json").read_text(encoding="utf-8"))
            return store_assessment(result, self.ct, (out / "report.html").read_text(encoding="utf-8"))


def _file_name(node: slicer.vtkMRMLNode) -> str:
    """The name of a node as far as a file can have it."""
    return "".join(character if character.isalnum() or character in " ._-" else "_" for character in node.GetName())
