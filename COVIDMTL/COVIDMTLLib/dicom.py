"""Reading a folder of DICOM slices as one volume, or saying why it is none."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dicom_lengths import check_elements
from .errors import InputError
from .wording import name_for_libraries

if TYPE_CHECKING:
    import SimpleITK as sitk

MODALITY = "0008|0060"
SERIES_DESCRIPTION = "0008|103e"
SERIES_UID = "0020|000e"
BITS_ALLOCATED = "0028|0100"

TRANSFER_SYNTAX = rb"(?s)\x02\x00\x10\x00UI..([0-9.]+)"
"""The element of a file's beginning that says how its pixels are encoded."""

UNCOMPRESSED = (b"1.2.840.10008.1.2", b"1.2.840.10008.1.2.1", b"1.2.840.10008.1.2.2")

POSITION_TOLERANCE = 0.1
"""Largest deviation of a slice from its place, as a share of the slice spacing. Positions are
written with few digits and tables do not move exactly, but far better than this."""


@dataclass(frozen=True)
class Slice:
    """What the header of one slice says: positions and spacing in mm."""

    path: Path
    modality: str
    size: tuple[int, ...]
    spacing: tuple[float, ...]
    position: np.ndarray
    axes: np.ndarray

    @property
    def normal(self) -> np.ndarray:
        """Unit vector (3,) at right angles to the slice, LPS."""
        return np.cross(self.axes[0], self.axes[1])

    @property
    def height(self) -> float:
        """Position along the normal of the slice in mm."""
        return float(self.position @ self.normal)


def is_dicom(image: sitk.Image | sitk.ImageFileReader) -> bool:
    """Whether an image came from a DICOM file."""
    return image.HasMetaDataKey(SERIES_UID)


def check_modality(modality: str, name: str) -> None:
    """Raise `InputError` if a header names a modality other than CT."""
    if modality != "CT":
        raise InputError(f"{name} is no CT: its DICOM header says modality {modality}; give a chest CT.")


def modality(header: sitk.Image | sitk.ImageFileReader) -> str:
    """The modality that a DICOM header names, CT where it names none."""
    return header.GetMetaData(MODALITY).strip() if header.HasMetaDataKey(MODALITY) else "CT"


def check_pixels(header: sitk.ImageFileReader, path: Path) -> None:
    """Raise `InputError` if a file is shorter than the pixels it should hold, of which GDCM makes up the rest."""
    with path.open("rb") as file:
        syntax = re.search(TRANSFER_SYNTAX, file.read(1024))
    if syntax is None or syntax[1] not in UNCOMPRESSED or not header.HasMetaDataKey(BITS_ALLOCATED):
        return
    count = prod(header.GetSize()) * header.GetNumberOfComponents()
    if path.stat().st_size < count * int(header.GetMetaData(BITS_ALLOCATED)) // 8:
        raise InputError(f"{path.name} is damaged: it holds fewer pixels than its header says; export it again.")


def series_files(folder: Path, series: str | None = None) -> list[Path]:
    """The files of one series of a folder, subfolders included, in the order of the slices of its volume.

    Raises
    ------
    InputError
        If there is no series, several and none asked for, or if its slices do not make up a volume:
        one is missing, damaged or double, their spacing, size or orientation differs, the gantry was tilted.
    """
    slices = _choose(_series_in(folder), folder, series)
    check_modality(slices[0].modality, folder.name)
    if len(slices) > 1:
        slices.sort(key=lambda one: one.height)
        _check_stack(slices, folder.name)
    return [one.path for one in slices]


def read_files(files: Sequence[Path], name: str) -> sitk.Image:
    """Read the files of a series, as `series_files` gives them, as one volume.

    Raises
    ------
    InputError
        If the pixel data cannot be read.
    """
    import SimpleITK as sitk

    try:
        if len(files) == 1:
            return sitk.ReadImage(name_for_libraries(files[0]))
        reader = sitk.ImageSeriesReader()
        reader.SetFileNames([name_for_libraries(file) for file in files])
        return reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"The DICOM series in {name} cannot be read: the pixel data of a slice are damaged or "
            "compressed in an unknown way; export the series again."
        ) from error


def _series_in(folder: Path) -> dict[tuple[str, str], list[Slice]]:
    """The slices of each (SeriesInstanceUID, description) below a folder; other files are passed over."""
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetImageIO("GDCMImageIO")
    found = defaultdict(list)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        check_elements(path)
        reader.SetFileName(name_for_libraries(path))
        try:
            reader.ReadImageInformation()
        except RuntimeError:  # no DICOM image: a DICOMDIR, a report, a text beside the slices
            continue
        if not reader.HasMetaDataKey(SERIES_UID):
            continue
        check_pixels(reader, path)
        description = (
            reader.GetMetaData(SERIES_DESCRIPTION).strip() if reader.HasMetaDataKey(SERIES_DESCRIPTION) else ""
        )
        axes = np.reshape(reader.GetDirection(), (3, 3)).T[:2]
        position = np.array(reader.GetOrigin())
        one = Slice(path, modality(reader), reader.GetSize(), reader.GetSpacing()[:2], position, axes)
        found[reader.GetMetaData(SERIES_UID).strip(" \0"), description].append(one)
    return found


def _choose(found: dict[tuple[str, str], list[Slice]], folder: Path, series: str | None) -> list[Slice]:
    if not found:
        raise InputError(f"The folder {folder.name} holds no DICOM image; give the folder of a CT series.")
    listing = "; ".join(f"{uid} ({text or 'no description'}, {len(n)} slices)" for (uid, text), n in found.items())
    if series is not None:
        chosen = [slices for (uid, _), slices in found.items() if uid == series]
        if not chosen:
            raise InputError(f"The folder {folder.name} has no series {series}; it has: {listing}.")
        return sum(chosen, [])
    # Segmentations, dose and the like often lie beside the CT and are no choice.
    if len(found) > 1:
        found = {key: slices for key, slices in found.items() if slices[0].modality == "CT"} or found
    if len(found) > 1:
        raise InputError(f"The folder {folder.name} holds {len(found)} series; choose one with --series: {listing}.")
    return next(iter(found.values()))


def _check_stack(slices: list[Slice], name: str) -> None:
    first = slices[0]
    if any(one.size != first.size for one in slices):
        raise InputError(f"The slices of {name} differ in rows or columns; export one series of equal slices.")
    if any(not np.allclose(one.axes, first.axes, atol=1e-3) for one in slices):
        raise InputError(f"The slices of {name} differ in orientation; export one series of parallel slices.")
    if any(not np.allclose(one.spacing, first.spacing, rtol=1e-3) for one in slices):
        raise InputError(f"The spacing differs within the series {name}: its slices have unequal pixel sizes.")

    if not np.isfinite([one.height for one in slices]).all():
        raise InputError(f"The slices of {name} have positions that are no numbers; export the series again.")
    gaps = np.diff([one.height for one in slices])
    spacing = float(np.median(gaps))
    tolerance = POSITION_TOLERANCE * spacing
    if (gaps < max(tolerance, 1e-3)).any():
        raise InputError(
            f"The series {name} has several slices at one position, as of two acquisitions; export them as two series."
        )
    multiples = np.rint(gaps / spacing)
    uneven = np.abs(gaps - multiples * spacing) > tolerance
    if uneven.any():
        raise InputError(
            f"The spacing differs within the series {name}: gaps of {gaps.min():.2f} to {gaps.max():.2f} mm between "
            "slices; reconstruct it with even spacing."
        )
    missing = int((multiples - 1).sum())
    if missing:
        count = f"{missing} missing slice{'s' if missing > 1 else ''}"
        raise InputError(
            f"The series {name} has {count}: a gap of {gaps.max():.2f} mm where others are {spacing:.2f} mm; "
            "export the complete series."
        )
    shift = slices[-1].position - first.position
    sideways = np.linalg.norm(shift - (shift @ first.normal) * first.normal)
    if sideways > max(1.0, 0.01 * abs(shift @ first.normal)):
        raise InputError(
            f"The slices of {name} are shifted sideways, as with a tilted gantry; resample the series to straight "
            "slices."
        )
