"""Lungs and opacities as DICOM segmentations and an assessment as a DICOM structured report, beside their series.

Of the patient nothing is carried unless it is asked for. The UIDs of the study, the series, its slices and its frame
of reference are: without them no viewer could lay the lungs on their CT.
"""

from __future__ import annotations

from pathlib import Path

from ...imaging.dicom.headers import is_dicom_file
from ...imaging.io.archives import is_archive
from ...imaging.volume import Volume
from ...utils.errors import InputError
from .segmentation import write_opacities, write_segmentation
from .series import Source, read_source, source_of
from .structured_report import write_report

__all__ = [
    "MODULES",
    "Source",
    "check_wanted",
    "read_source",
    "source_of",
    "write_opacities",
    "write_report",
    "write_segmentation",
]

MODULES = ("highdicom", "pydicom")
"""What an export imports, for `optional_imports.require`."""


def check_wanted(ct: str | Path | Volume, dicom: bool, keep_identity: bool) -> None:
    """Raise `InputError` if an export is asked for that there cannot be."""
    if keep_identity and not dicom:
        raise InputError("Only DICOM results hold an identity; leave out --keep-identity or ask for DICOM results.")
    if dicom and (isinstance(ct, Volume) or (Path(ct).is_file() and not _is_study(Path(ct)))):
        what = "The volume" if isinstance(ct, Volume) else Path(ct).name
        raise InputError(f"{what} is no DICOM, which DICOM results need; give the study with its series.")


def _is_study(file: Path) -> bool:
    return is_archive(file) or is_dicom_file(file)
