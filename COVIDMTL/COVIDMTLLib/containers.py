"""Studies in archives, and those that are given by their DICOMDIR."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import InputError

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar")

LARGEST = 2**35
"""Bytes that an archive may unpack to: more than any study."""


def is_archive(path: Path) -> bool:
    """Whether a file is called like an archive."""
    return path.name.lower().endswith(ARCHIVES)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """A folder or file as it is; the folder of a DICOMDIR; of an archive, a temporary folder of what is in it.

    An archive of one file that is not DICOM, such as NIfTI, gives that file.

    Raises
    ------
    InputError
        If an archive is damaged, encrypted or too large, or names files outside it.
    """
    if path.is_file() and path.name.upper() == "DICOMDIR":
        yield path.absolute().parent
    elif path.is_file() and is_archive(path):
        with tempfile.TemporaryDirectory(prefix="covid-mtl-") as place:
            folder = Path(place, path.name)  # which sentences then call it by
            folder.mkdir()
            try:
                _unpack(path, folder)
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, NotImplementedError, RuntimeError) as error:
                raise InputError(
                    f"{path.name} cannot be unpacked: it is damaged or encrypted; get it again."
                ) from error
            yield _content(folder)
    else:
        yield path


def _content(folder: Path) -> Path:
    from .dicom_headers import files_below, is_dicom_file

    files = list(files_below(folder))
    return files[0] if len(files) == 1 and not is_dicom_file(files[0]) else folder


def _unpack(path: Path, folder: Path) -> None:
    """Write the regular files of an archive, each below the folder, whatever they are called."""
    left = LARGEST
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for one in archive.infolist():
                if not one.is_dir():
                    with archive.open(one) as source:
                        left = _write(source, folder, one.filename, left, path.name)
        return
    with tarfile.open(path) as archive:
        for one in archive:
            if one.isfile():
                left = _write(archive.extractfile(one), folder, one.name, left, path.name)


def _write(source: BinaryIO, folder: Path, name: str, left: int, archive: str) -> int:
    target = Path(folder, name)
    if not target.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{archive} names files outside it; unpack it yourself if you trust it.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        while block := source.read(2**20):
            left -= len(block)
            if left < 0 or shutil.disk_usage(folder).free < 2**28:
                raise InputError(f"{archive} unpacks to more than there is room for; unpack it yourself.")
            file.write(block)
    return left
