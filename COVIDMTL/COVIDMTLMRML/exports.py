"""The assessment of a CT as files: tables, JSON and the report, and DICOM where the CT came from DICOM."""

from __future__ import annotations

from pathlib import Path

import slicer
from COVIDMTLLib.imaging.io.writer import write_volume
from COVIDMTLLib.results.rows import row_of, write_rows
from COVIDMTLLib.utils.atomic_files import staged_file
from COVIDMTLLib.utils.errors import InputError

from .results import (
    FEATURES,
    LUNGS_DIGEST,
    OPACITIES,
    OPACITIES_DIGEST,
    SEGMENTATION,
    assessment_of,
    node_of,
    part_of,
    report_of,
)
from .runs import Job
from .segmentations import digest_of, opacities_of, sides_of

INSTANCES = "DICOM.instanceUIDs"
"""Attribute of a volume node that came from DICOM: the SOPInstanceUIDs of its slices, in their order."""


def write_results(ct: slicer.vtkMRMLScalarVolumeNode, path: str | Path) -> None:
    """Write verdicts, probabilities and lungs as CSV: the row that a batch has of the CT."""
    with staged_file(path) as file:
        write_rows([row_of(ct.GetName(), _assessment(ct))], file)


def write_features(ct: slicer.vtkMRMLScalarVolumeNode, path: str | Path) -> None:
    """Write the 375 features that the assessment rests on as CSV, as ``covid-mtl assess`` does."""
    _assessment(ct)
    features = part_of(ct, FEATURES)
    if features is None:
        raise InputError(
            f"The assessment of {ct.GetName()} has no features: its model takes none, or it was made before features "
            "were kept; assess the CT with a model on features."
        )
    _write_text(features.GetText(), path)


def write_assessment(ct: slicer.vtkMRMLScalarVolumeNode, path: str | Path) -> None:
    """Write all that the assessment says as JSON: the content of ``assessment.json``."""
    _write_text(_node(ct).GetText(), path)


def write_report(ct: slicer.vtkMRMLScalarVolumeNode, path: str | Path) -> None:
    """Write the report as a web page."""
    _assessment(ct)
    report = report_of(ct)
    if report is None:
        raise InputError(f"The report of {ct.GetName()} was removed from the scene; press Apply to make it again.")
    _write_text(report, path)


def came_from_dicom(ct: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Whether a volume node was loaded from a DICOM series."""
    return bool(ct.GetAttribute(INSTANCES))


def dicom_files(ct: slicer.vtkMRMLScalarVolumeNode, database) -> list[Path]:
    """The DICOM files of the slices of a CT, in the order of its slices.

    Parameters
    ----------
    database : ctkDICOMDatabase
        Which knows the files of instances.

    Raises
    ------
    InputError
        If the CT did not come from DICOM, or the database no longer has its slices.
    """
    if not came_from_dicom(ct):
        raise InputError(f"{ct.GetName()} was not loaded from DICOM, which DICOM results need.")
    files = [database.fileForInstance(uid) for uid in ct.GetAttribute(INSTANCES).split()]
    if not all(file and Path(file).is_file() for file in files):
        raise InputError(f"The DICOM database no longer has every slice of {ct.GetName()}; import the series again.")
    return [Path(file) for file in files]


class DicomExport(Job):
    """Export of the assessment of a CT as ``lungs.dcm``, ``opacities.dcm`` and ``assessment.dcm``.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
    slices : list of Path
        Its DICOM files, see `dicom_files`.
    out : path
        Folder for the files.
    keep_identity : bool
        Carry patient and study from the series; they are left out otherwise.

    Raises
    ------
    InputError
        If the CT has not been assessed, or its lungs are gone or others, or its opacities are others.
    """

    def __init__(self, ct, slices: list[Path], out: str | Path, keep_identity: bool = False):
        self.ct, self._slices, self.out, self._keep_identity = ct, slices, Path(out), keep_identity
        super().__init__()

    def _prepare(self) -> None:
        write_assessment(self.ct, self.folder / "assessment.json")
        lungs = part_of(self.ct, SEGMENTATION)
        if lungs is None:
            raise InputError(f"The lungs of {self.ct.GetName()} were removed from the scene; press Apply to find them.")
        sides = sides_of(lungs, self.ct)
        if digest_of(sides) != _node(self.ct).GetAttribute(LUNGS_DIGEST):
            raise InputError(
                f"The lungs of {self.ct.GetName()} have changed since they were assessed, and the numbers would be of "
                "others; choose them as Lungs and press Apply."
            )
        write_volume(sides, self.folder / "lungs.nrrd")
        self._write_opacities()
        (self.folder / "slices.txt").write_text("\n".join(map(str, self._slices)), encoding="utf-8")

    def _write_opacities(self) -> None:
        node = part_of(self.ct, OPACITIES)
        if node is None:
            return  # an assessment without, or the user removed them
        opacities = opacities_of(node, self.ct)
        if digest_of(opacities) != _node(self.ct).GetAttribute(OPACITIES_DIGEST):
            raise InputError(
                f"The opacities of {self.ct.GetName()} have changed since they were measured, and the numbers would be "
                "of others; press Measure again."
            )
        write_volume(opacities, self.folder / "opacities.nrrd")

    def _arguments(self) -> list[object]:
        identity = ["--keep-identity"] if self._keep_identity else []
        return ["export-dicom", self.folder, "--slices", self.folder / "slices.txt", f"--out={self.out}", *identity]

    def finish(self) -> Path:
        """The folder with the files; the export is over."""
        self._temporary.cleanup()
        return self.out


def _assessment(ct: slicer.vtkMRMLScalarVolumeNode) -> dict:
    result = assessment_of(ct)
    if result is None:
        raise InputError(f"{ct.GetName()} has not been assessed; press Apply first.")
    return result


def _node(ct: slicer.vtkMRMLScalarVolumeNode) -> slicer.vtkMRMLTextNode:
    """The node that holds the assessment; raises as `_assessment` does."""
    _assessment(ct)
    return node_of(ct)


def _write_text(text: str, path: str | Path) -> None:
    with staged_file(path) as file:
        file.write_text(text, encoding="utf-8", newline="")
