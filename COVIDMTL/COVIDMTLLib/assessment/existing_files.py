"""What results may replace: files that the program wrote itself and nobody changed since, and nothing else."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from ..imaging.io.writer import MARK, is_dicom
from ..utils.errors import InputError

ASSESSMENT = "assessment.json"

HEADER = 2**16
"""Bytes of a file in which its mark is, if it has one."""


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder, by name."""
    return {file.name: _digest(file) for file in sorted(folder.iterdir()) if file.is_file()}


def keep_others(
    folder: Path, new: Path, ct: Path | None = None, given: Sequence[Path | None] = (), record: str = ASSESSMENT
) -> dict[str, str]:
    """Give another name to files of a folder that new ones are about to replace, unless they are the program's own.

    Parameters
    ----------
    folder : Path
        Of results.
    new : Path
        Folder of the files that are about to move there.
    ct : Path, optional
        What the results are of, which keeps its name.
    given : sequence of Path
        Other inputs, which are kept even if the program wrote them.
    record : str
        File of the results that has the digests of the others.

    Returns
    -------
    dict
        New names of the files that were kept, by their names.

    Raises
    ------
    InputError
        If the CT itself would be replaced.
    """
    check_not_ct([folder / file.name for file in new.iterdir()], ct)
    own = _own(folder, record)
    inputs = {os.path.realpath(path) for path in given if path is not None}
    kept = {}
    for file in sorted(new.iterdir()):
        target = folder / file.name
        if not target.is_file() or (file.name == record and own is not None):
            continue
        digest = _digest(target)
        known = digest in ((own or {}).get(file.name), _digest(file))
        if not known or os.path.realpath(target) in inputs:
            kept[file.name] = _free(target)
            target.rename(folder / kept[file.name])
    return kept


def check_not_ct(outputs: Sequence[Path], ct: Path | None) -> None:
    """Raise `InputError` if a file to be written is the CT, or one of the slices in its folder."""
    if ct is None:
        return
    real = Path(os.path.realpath(ct))
    for path in outputs:
        same = Path(os.path.realpath(path))
        inside = real.is_dir() and same.is_file() and real in same.parents
        if same == real or (inside and not is_own(path)):
            raise InputError(f"{path} would be written over a file of the CT; choose another place for the result.")


def check_replaceable(path: Path | None) -> None:
    """Raise `InputError` if there is a file at a path that the program did not write, or a link that leads nowhere."""
    if path is None:
        return
    if (path.is_symlink() and not path.exists()) or (path.is_file() and not is_own(path)):
        raise InputError(f"{path} is there and was not written by this program; give another name for the result.")


def check_outputs(ct: Path, *paths: Path | None) -> None:
    """Raise `InputError` if a file to be written is of the CT, or there and not the program's own."""
    check_not_ct([path for path in paths if path is not None], ct)
    for path in paths:
        check_replaceable(path)


def is_own(path: Path) -> bool:
    """Whether the program wrote a mask, a table of features or measures of lungs."""
    name = path.name.lower()
    with path.open("rb") as file:
        start = file.read(HEADER)
    if is_dicom(path):
        return b"COVID-MTL" in start and b"1.2.840.10008.5.1.4.1.1.66.4" in start
    if name.endswith(".csv"):
        return _is_features(start)
    if name.endswith(".json"):
        return b'"boundary_supported"' in start or b'"high_opacity"' in start
    return _has_mark(path)


def _own(folder: Path, record: str) -> dict[str, str] | None:
    """The digests that the results of a folder were written with; None if there are none, or of another program."""
    try:
        content = json.loads((folder / record).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or "research_use_only" not in content:
        return None
    return files if isinstance(files := content.get("files"), dict) else {}


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            found.update(block)
    return found.hexdigest()


def _free(path: Path) -> str:
    """A name for a file that is kept: ``lungs_kept.nrrd``, or with a number where that is there."""
    stem, dot, ending = path.name.partition(".")
    number, name = 1, f"{stem}_kept{dot}{ending}"
    while (path.parent / name).exists():
        number += 1
        name = f"{stem}_kept_{number}{dot}{ending}"
    return name


def _is_features(start: bytes) -> bool:
    from ..features.names import FEATURE_NAMES

    first = next(csv.reader([start.decode("utf-8", "replace").partition("\n")[0]]), [])
    return first[:10] == list(FEATURE_NAMES)[:10]


def _has_mark(path: Path) -> bool:
    import SimpleITK as sitk

    try:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
    except RuntimeError:
        return False
    return any(MARK in (key, reader.GetMetaData(key)) for key in reader.GetMetaDataKeys())
