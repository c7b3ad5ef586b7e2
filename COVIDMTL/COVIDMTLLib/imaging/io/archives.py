"""Studies in archives, and those that are given by their DICOMDIR."""

from __future__ import annotations

import lzma
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ...utils.errors import InputError

ARCHIVES = (".zip", ".tar.gz", ".tgz", ".tar", ".tar.bz2", ".tar.xz")

IMAGES = (".nrrd", ".nhdr", ".nii.gz", ".nii", ".mha", ".mhd")

SHOWN = 4
"""Images that are named where there are too many."""

MAC = "__MACOSX/"
"""Where macOS puts into archives what it knows of files."""

DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error),
    *(EOFError, NotImplementedError, RuntimeError),
)

LARGEST = 2**35
"""Bytes that an archive may unpack to: more than any study."""


def is_archive(path: Path) -> bool:
    """Whether a file is called like an archive."""
    return path.name.lower().endswith(ARCHIVES)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """A folder or file as it is; the folder of a DICOMDIR; of an archive, a temporary folder of what is in it.

    A folder or archive without DICOM, but with one image file, such as NIfTI, gives that file.

    Raises
    ------
    InputError
        If an archive is damaged, encrypted or too large, or names files outside it, or there are several images.
    """
    if path.is_file() and path.name.upper() == "DICOMDIR":
        yield path.absolute().parent
    elif path.is_file() and is_archive(path):
        with tempfile.TemporaryDirectory(prefix="covid-mtl-") as place:
            folder = Path(place, path.name)  # which sentences then call it by
            folder.mkdir()
            try:
                _unpack(path, folder)
            except DAMAGED as error:
                raise InputError(
                    f"{path.name} cannot be unpacked: it is damaged or encrypted; get it again."
                ) from error
            yield _content(folder)
    else:
        yield _content(path) if path.is_dir() else path


def _content(folder: Path) -> Path:
    from ..dicom.headers import files_below, is_dicom_file

    files = []
    for file in files_below(folder):
        if is_dicom_file(file):
            return folder
        if not file.name.startswith("."):
            files.append(file)
    images = [file for file in files if file.name.lower().endswith(IMAGES)]
    images = [file for file in images if file.parent == folder] or images  # masks may lie in a folder beside it
    if len(images) > 1:
        more = f" and {len(images) - SHOWN} more" if len(images) > SHOWN else ""
        named = ", ".join(file.name for file in images[:SHOWN])
        raise InputError(f"{folder.name} holds {len(images)} images, {named}{more}; give one of them.")
    packed = [file.name for file in files if is_archive(file)]
    if packed and not images:
        raise InputError(f"{folder.name} holds an archive, {packed[0]}; give that, unpacked.")
    return images[0] if images else folder


def _unpack(path: Path, folder: Path) -> None:
    """Write the regular files of an archive, each below the folder, whatever they are called."""
    left = LARGEST
    if path.name.lower().endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for one in archive.infolist():
                if not one.is_dir() and not one.filename.startswith(MAC):
                    with archive.open(one) as source:
                        left = _write(source, folder, one.filename, left, path.name)
        return
    with tarfile.open(path) as packed:
        for member in packed:
            content = packed.extractfile(member) if member.isfile() else None
            if content is not None:
                left = _write(content, folder, member.name, left, path.name)


def _write(source: IO[bytes], folder: Path, name: str, left: int, archive: str) -> int:
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
