"""Assessing every CT of a folder, one after the other."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..assessment.in_subprocess import assess_in_child
from ..assessment.pipeline import assess
from ..imaging.dicom.headers import has_frames, is_dicom_file
from ..imaging.io.archives import ARCHIVES
from ..imaging.io.archives import IMAGES as IMAGE_SUFFIXES
from ..patient.table import read_patients
from ..processes.command_process import ChildFailed
from ..results.rows import failed_row, row_of, write_rows
from ..utils.atomic_files import staged_file
from ..utils.errors import InputError
from ..utils.progress import Callback, silent

__all__ = ["assess_folder", "assess_in_child", "cases"]

TABLE = "batch.csv"

SHOWN = 10
"""How many files that are no cases are named."""


def assess_folder(
    folder: str | Path,
    out: str | Path,
    *,
    patients: str | Path | None = None,
    progress: Callback = silent,
    assess: Callable[..., Any] = assess,
    **options: Any,
) -> list[dict[str, Any]]:
    """Assess all CTs of a folder. Research use only.

    A case that cannot be assessed is named with its reason and does not stop the rest. Called again, it
    goes on where it was stopped: cases whose ``assessment.json`` is there are not assessed again, failed
    ones are.

    Parameters
    ----------
    folder : path
        Image files (NRRD, NIfTI, MetaImage, DICOM of many frames), and DICOM studies in folders or archives, are a
        case each.
    out : path
        One folder a case, as `assess` writes it, and the table ``batch.csv``, which is brought up to date
        after each case.
    patients : path, optional
        CSV of what is known of the patients: a column ``case``, and any of ``age``, ``sex`` and laboratory values
        (see `patient.table.read_patients`). A case that is not assessed again keeps what it was assessed with.
    progress : Callback, optional
        Is told the case, the share of all cases done and a line of text; what it raises ends the batch.
    assess : callable, optional
        Assesses one case: `pipeline.assess`, or `assess_in_child`, with which a batch survives whatever
        happens to a case.
    **options
        Go to `assess`, such as ``model`` and ``refine``.

    Returns
    -------
    list of dict
        The rows of the table, as of `rows.row_of` and, with the reason, `rows.failed_row`.

    Raises
    ------
    InputError
        If the folder has no case or two of one name, or something is wrong with ``patients``.
    """
    folder, out = Path(folder), Path(out)
    found = cases(folder)
    known = {} if patients is None else read_patients(patients, found)
    out.mkdir(parents=True, exist_ok=True)
    for said in passed_over(folder):
        progress("cases", 0.0, said)
    rows = []
    for index, (name, path) in enumerate(found.items()):
        share = index / len(found)

        def news(_step: str, fraction: float, text: str, name: str = name, share: float = share) -> None:
            progress(name, share + fraction / len(found), text)

        patient = asdict(known[name]) if name in known else {}
        rows.append(_row(name, path, out / name, news, assess, options | patient))
        with staged_file(out / TABLE) as table:
            write_rows(rows, table)
    progress("done", 1.0, "Done")
    return rows


def cases(folder: Path) -> dict[str, Path]:
    """The cases of a folder by name, in the order of their names: image files, archives and subfolders."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}; check the path.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        suffix = _suffix(path)
        if not _is_case(path):
            continue
        name = path.name if path.is_dir() or suffix is None else path.name[: len(path.name) - len(suffix)]
        if name in found:
            raise InputError(f"{folder.name} has two cases {name}: {found[name].name} and {path.name}; rename one.")
        found[name] = path
    if not found:
        what = f"no {', '.join(IMAGE_SUFFIXES)} file, no archive, no subfolder"
        raise InputError(" ".join([f"The folder {folder.name} holds no CT: {what}.", *passed_over(folder)]))
    return found


def passed_over(folder: Path) -> list[str]:
    """Sentences on what lies in a folder of cases and is none, such as tables and single slices; hidden files aside."""
    others = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".") and not _is_case(path)]
    slices = [path for path in others if path.is_file() and is_dicom_file(path)]
    files = [path for path in others if path not in slices]
    said = []
    if slices:
        said.append(f"Passed over in {folder.name}, as single slices, which go into a folder a case: {_named(slices)}.")
    if files:
        said.append(f"Passed over in {folder.name}, as no image file, archive or folder: {_named(files)}.")
    return said


def _named(paths: list[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(path.name for path in paths[:SHOWN]) + more


def _is_case(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_dir() or _suffix(path) is not None)


def _suffix(path: Path) -> str | None:
    """How the name of a file that is a case ends, which may be empty; None of a file that is none."""
    found = next((suffix for suffix in (*IMAGE_SUFFIXES, *ARCHIVES) if path.name.lower().endswith(suffix)), None)
    if found is None and path.is_file() and has_frames(path):
        return path.suffix if path.suffix.lower() == ".dcm" else ""
    return found


def _row(
    name: str, path: Path, out: Path, progress: Callback, assess: Callable[..., Any], options: dict[str, Any]
) -> dict[str, Any]:
    done = out / "assessment.json"
    try:
        if not done.is_file():
            assess(path, out, name=name, progress=progress, **options)
        result = json.loads(done.read_text(encoding="utf-8"))
    except (InputError, ChildFailed) as error:
        return failed_row(name, str(error))
    return row_of(name, result)
