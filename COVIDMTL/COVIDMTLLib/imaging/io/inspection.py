"""What is in a study, which series of it would be read, and why, without reading it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...utils.errors import InputError
from ..dicom import reader
from ..dicom.headers import is_dicom_file
from ..dicom.series_choice import choose, why_unfit
from ..dicom.stacks import Stack
from .archives import opened


def inspect(path: str | Path, series: str | None = None) -> dict[str, Any]:
    """List the series of a study and say which would be assessed.

    Parameters
    ----------
    path : path
        DICOM folder, file or DICOMDIR, or an archive of one.
    series : str, optional
        As of `reader.read_ct`.

    Returns
    -------
    dict
        ``taken``: the name of the series, None if there is none; ``reason``: why, or why none; ``series``: for each,
        largest first within a SeriesInstanceUID, ``name``, ``description``, ``modality``, ``slices``, ``spacing_mm``
        (of slices, 0 if unknown), ``extent_mm`` along the body, ``kernel``, ``copies`` (slices left out as they are
        there twice) and ``note``: why it is not taken, or what is wrong with it.

    Raises
    ------
    InputError
        If it holds no DICOM image, one of its files is damaged, or there is no such series.
    """
    with opened(Path(path)) as study:
        if study.is_file() and not is_dicom_file(study):
            raise InputError(f"{study.name} is no DICOM study; there is nothing to choose in it.")
        stacks = reader.find_stacks(study)
        notes = {one: why_unfit(one) or one.problem or "" for one in stacks}
        taken = None
        try:
            choice = choose(stacks, study.name, series)
        except InputError as error:
            reason = str(error)
        else:
            notes |= {one: "; ".join(dict.fromkeys([why, *filter(None, [notes[one]])])) for one, why in choice.others}
            reason = choice.reason
            problem = why_unfit(choice.taken) or choice.taken.problem
            if problem is None:
                taken = choice.taken
            else:
                reason = f"No series can be read: of {choice.taken.name}, {problem}"
        return {
            "taken": None if taken is None else taken.name,
            "reason": reason,
            "series": [_row(one, notes[one]) for one in stacks],
        }


def table(found: dict[str, Any]) -> str:
    """What `inspect` found, as lines of text."""
    lines = []
    for one in found["series"]:
        mark = "*" if one["name"] == found["taken"] else " "
        kernel = f", kernel {one['kernel']}" if one["kernel"] else ""
        copies = f", {one['copies']} copies left out" if one["copies"] else ""
        lines.append(
            f"{mark} {one['name'] or 'without a UID'}: {one['modality']}, {one['description'] or 'no description'}, "
            f"{one['slices']} slices at {one['spacing_mm']:g} mm, {one['extent_mm']:.0f} mm in all{kernel}{copies}"
            + (f" ({one['note'].rstrip('.')})" if one["note"] else "")
        )
    end = found["reason"] if found["taken"] is None else f"Taken is {found['taken']}: {found['reason']}."
    return "\n".join([*lines, end])


def _row(stack: Stack, note: str) -> dict[str, Any]:
    low, high = stack.range
    return {
        "name": stack.name,
        "description": stack.first.description,
        "modality": stack.first.modality,
        "slices": len(stack.slices),
        "spacing_mm": round(stack.spacing, 3),
        "extent_mm": round(high - low + stack.spacing, 1),
        "kernel": stack.first.kernel,
        "copies": stack.copies,
        "note": note,
    }
