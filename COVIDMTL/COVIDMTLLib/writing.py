"""Writing results so that a file or folder is either there and whole, or not there."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .errors import InputError
from .volume import Geometry, Volume, labels_on
from .wording import name_for_libraries

LEFT = (".covid-mtl-", ".partial")
"""How names of temporary folders begin and end."""

MARK = "covid-mtl"
"""Key in the header of images that the program wrote; NIfTI has the text of it in its description."""

NOT_WRITTEN = "it was not written whole, as on a full disk"


@contextmanager
def staged_file(path: str | Path) -> Iterator[Path]:
    """A temporary path beside ``path``, renamed to it when the block ends without an error.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written to, or the path is a folder, a device or a pipe.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file to write.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is a device or a pipe, and no file; give the name of a file to write.")
    with _temporary_folder(path.absolute().parent) as folder:
        yield folder / path.name
        _rename(folder / path.name, path)


@contextmanager
def staged_folder(path: str | Path, before: Callable[[Path], object] = lambda folder: None) -> Iterator[Path]:
    """A temporary folder, whose files move into ``path`` when the block ends without an error.

    The folder ``path`` is made if need be; other files in it stay. ``before`` is called with the temporary folder
    before the first file moves.

    Raises
    ------
    InputError
        If the folder cannot be made or written to.
    """
    path = Path(path).absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {path} cannot be made: {error.strerror}; choose another one.") from error
    with _temporary_folder(path) as folder:
        yield folder
        before(folder)
        # In the order in which they were made: where the last one is, such as assessment.json, the others are.
        for file in sorted(folder.iterdir(), key=lambda file: file.stat().st_mtime_ns):
            _rename(file, path / file.name)


def sweep(folder: Path) -> None:
    """Remove what processes that were killed left of files that they were writing to a folder."""
    for left in folder.glob(f"{LEFT[0]}*{LEFT[1]}"):
        shutil.rmtree(left)


def check_apart(out: Path, *others: Path | None) -> None:
    """Raise `InputError` if a file to be written is one of the others, which would be lost."""
    for other in others:
        if other is not None and os.path.realpath(other) == os.path.realpath(out):
            raise InputError(f"{out} would be written over {other.name}; give another name for the result.")


def check_mask_format(path: str | Path) -> None:
    """Raise `InputError` unless the name of a mask to be written ends like a 3D image format."""
    if not str(path).lower().endswith((".nrrd", ".nii", ".nii.gz", ".mha")) and not is_dicom(path):
        raise InputError(f"A mask cannot be written as {Path(path).name}; use .nrrd, .nii.gz, .mha or .dcm.")


def is_dicom(path: str | Path) -> bool:
    """Whether the name of a file to be written ends like one of DICOM."""
    return str(path).lower().endswith(".dcm")


def write_volume(
    volume: Volume,
    path: str | Path,
    grid: Geometry | None = None,
    compress: bool = True,
    header: Mapping[str, str] | None = None,
) -> None:
    """Write a volume as an image file.

    Parameters
    ----------
    volume : Volume
        HU or labels (z, y, x).
    path : path
        Ends like an image format of SimpleITK's.
    grid : Geometry, optional
        For a label map: the grid to write it on, such as that of its CT.
    compress : bool
        Trade time for a smaller file.
    header : mapping, optional
        What else the header is to say, by keys.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk.
    """
    import SimpleITK as sitk

    if grid is not None:
        volume = labels_on(volume, grid)
    try:
        image = volume.to_image()
        for key, text in (header or {}).items():
            image.SetMetaData(key, text)
        image.SetMetaData(MARK, "1")
        image.SetMetaData("ITK_FileNotes", MARK)
        sitk.WriteImage(image, name_for_libraries(path), useCompression=compress)
        # On a full disk, SimpleITK writes a part of NIfTI, and all but the end of NRRD, without a word.
        whole = np.array_equal(_read_back(path), volume.array)
    except RuntimeError as error:
        raise OSError(errno.EIO, NOT_WRITTEN, Path(path).name) from error
    if not whole:
        raise OSError(errno.EIO, NOT_WRITTEN, Path(path).name)


def _read_back(path: str | Path) -> np.ndarray:
    import SimpleITK as sitk

    return sitk.GetArrayFromImage(sitk.ReadImage(name_for_libraries(path)))


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[Path]:
    try:
        folder = Path(tempfile.mkdtemp(prefix=LEFT[0], suffix=LEFT[1], dir=parent))
    except FileNotFoundError as error:
        raise InputError(f"There is no folder {parent} to write to; make it first.") from error
    except OSError as error:
        raise InputError(f"The folder {parent} cannot be written to: {error.strerror}; choose another one.") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        raise InputError(f"{target} cannot be written: {error.strerror}; choose another name.") from error
