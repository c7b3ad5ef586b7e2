"""Reading DICOM slices as one volume, or saying why they are none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...utils.errors import InputError
from ...utils.optional_imports import require
from ...utils.text import name_for_libraries
from .frames import GDCM, read_frames
from .headers import files_below, read_slices
from .series_choice import Choice, choose
from .stacks import Stack, stacks_of

if TYPE_CHECKING:
    import SimpleITK as sitk

MODALITY = "0008|0060"
SERIES_UID = "0020|000e"


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


def find_stacks(path: Path) -> list[Stack]:
    """The stacks of slices in a DICOM file, or in a folder and its subfolders.

    Raises
    ------
    InputError
        If there is no DICOM image, or one is damaged.
    """
    require("pydicom")
    files = files_below(path) if path.is_dir() else [path]
    stacks = stacks_of([one for file in files for one in read_slices(file)])
    if not stacks:
        raise InputError(f"The folder {path.name} holds no DICOM image; give the folder of a CT series.")
    return stacks


def choose_series(path: Path, series: str | None = None) -> Choice:
    """The series of a study that is a chest CT (see `series_choice.choose`).

    Raises
    ------
    InputError
        If there is none, several that would do, or if its slices do not make up a volume: one is missing, damaged or
        double, their spacing, size, orientation or rescale differs, the gantry was tilted.
    """
    choice = choose(find_stacks(path), path.name, series)
    check_modality(choice.taken.first.modality, path.name)
    if choice.taken.problem is not None:
        raise InputError(f"The series {path.name} {choice.taken.problem}")
    return choice


def read_stack(stack: Stack, name: str) -> sitk.Image:
    """Read a stack as one volume.

    Raises
    ------
    InputError
        If the pixel data cannot be read.
    """
    try:
        if stack.first.frame is not None:
            return read_frames(stack.slices)
        return _read_files([one.path for one in stack.slices])
    except RuntimeError as error:
        raise InputError(
            f"The DICOM series in {name} cannot be read: the pixel data of a slice are damaged or "
            "compressed in an unknown way; export the series again."
        ) from error


def _read_files(files: Sequence[Path]) -> sitk.Image:
    import SimpleITK as sitk

    if len(files) == 1:
        return sitk.ReadImage(name_for_libraries(files[0]), imageIO=GDCM)
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO(GDCM)
    reader.SetFileNames([name_for_libraries(file) for file in files])
    return reader.Execute()
