"""The job of ``covid-mtl follow``: paths in, files and plain values out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from ..assessment.existing_files import check_not_ct, digests, keep_others
from ..imaging.io import writer
from ..opacities import in_words
from ..segmentation import methods
from ..utils import atomic_files
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.progress import Callback, Steps, silent
from ..utils.software import software
from ..utils.version import RESEARCH_USE_ONLY
from .change import changes
from .comparability import warnings
from .page import write_page
from .pictures import on_first
from .registration import Registration, register
from .scans import Scan, Source, check_apart, in_time, measure, read, sources
from .table import write_table

SCHEMA_VERSION = 1
"""Version of what ``follow.json`` holds."""

FOLLOW = "follow.json"

FILES = (FOLLOW, "follow.csv", "follow.html")
"""What is written, but for volumes."""


def check_cts(cts: Sequence[Path], out: Path) -> None:
    """Raise `InputError` for fewer than two CTs, one that is given twice, and one that results would replace."""
    if len(cts) < 2:
        raise InputError("One CT alone has no course; give two or more of one patient.")
    real = [os.path.realpath(ct) for ct in cts]
    for number, ct in enumerate(cts):
        if real[number] in real[:number]:
            raise InputError(f"{ct} is given twice; give each CT once.")
        check_not_ct([out / name for name in FILES], ct)


def follow_cts(
    cts: Sequence[str | Path],
    out: str | Path,
    *,
    lungs: Sequence[str | Path | None] | None = None,
    series: Sequence[str | None] | None = None,
    dates: Sequence[datetime | None] | None = None,
    names: Sequence[str] | None = None,
    progress: Callback = silent,
) -> dict[str, Any]:
    """Compare CTs of one patient in time: lungs, opacities, zone scores, and what changed beyond the measurement.

    Parameters
    ----------
    cts : sequence of path
        Two or more, each an image file or a DICOM study.
    out : path
        Folder for ``follow.json``, ``follow.csv`` and ``follow.html``. It is left as it was if anything goes wrong.
    lungs, series, dates : sequence, optional
        For each CT, or None: a mask of its lungs, the series of its study, and when it was made. Masks are found, the
        other two are as the files say.
    names : sequence of str, optional
        What to call the CTs; the names of their files by default.
    progress : Callback, optional
        Is told step, share done and a line of text; what it raises ends the job.

    Returns
    -------
    dict
        What ``follow.json`` holds.

    Raises
    ------
    InputError
        If a CT cannot be used, two are the same, or they are of different patients.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> lungs = ["lungs.nrrd", "lungs.nrrd"]
    >>> course = covidmtl.follow_cts(["ct.nrrd", "later.nrrd"], "course", lungs=lungs)
    >>> sorted(course["changes"][0]["measures"]["score"])
    ['change', 'high', 'low', 'verdict']
    """
    paths, out = [Path(ct) for ct in cts], Path(out)
    for what, given in {"lungs": lungs, "series": series, "dates": dates, "names": names}.items():
        if given is not None and len(given) != len(cts):
            raise InputError(f"There are {len(given)} {what} for {len(cts)} CTs; give one for each.")
    check_cts(paths, out)
    masks = [Path(one) if one else None for one in lungs or [None] * len(cts)]
    keep = partial(keep_others, out, given=[*paths, *masks], record=FOLLOW)
    with atomic_files.staged_folder(out, keep) as folder:
        return follow(sources(paths, masks, series, dates, names), folder, progress=progress)


def follow(cts: Sequence[Source], folder: Path, volumes: bool = False, *, progress: Callback) -> dict[str, Any]:
    """Compare CTs of one patient, and write ``follow.json``, ``follow.csv`` and ``follow.html``.

    Parameters
    ----------
    cts : sequence of Source
        Two or more.
    folder : Path
        Where to.
    volumes : bool
        Write each later CT on the grid of the first, too.
    progress : Callback

    Returns
    -------
    dict
        What ``follow.json`` holds.

    Raises
    ------
    InputError
        If a CT cannot be used, two are the same, or they are of different patients.
    """
    require(*methods.MODULES, "jinja2", "matplotlib.backends.backend_agg")
    count = len(cts)
    steps = Steps(progress, {"read": count, "measure": 9 * count, "register": 5 * (count - 1), "report": 2})
    with steps.step("read", "Reading the CTs") as update:
        given = []
        for number, ct in enumerate(cts):
            given.append(read(ct))
            check_apart(given)
            update((number + 1) / count)
        dated = all(one.made is not None for one in given)
        given = in_time(given)
    with steps.step("measure", "Measuring lungs and opacities") as update:
        scans = [measure(one, partial(_tell_share, update, number, count)) for number, one in enumerate(given)]
    with steps.step("register", "Registering the lungs") as update:
        registrations = []
        for number, scan in enumerate(scans[1:], 1):
            registrations.append(register(scans[0], scan))
            update(number / (count - 1))
    with steps.step("report", "Writing the page"):
        result = _result(scans, registrations, dated)
        write_page(result, scans, registrations, folder / "follow.html")
        write_table(result, folder / "follow.csv")
        if volumes:
            for number, (scan, one) in enumerate(zip(scans[1:], registrations, strict=True), 2):
                writer.write_volume(on_first(scan, one, scans[0]), folder / f"registered_{number}.nrrd")
    result |= {"seconds": steps.seconds, "files": digests(folder)}
    (folder / FOLLOW).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def _tell_share(update: Callable[[float], None], number: int, count: int, share: float) -> None:
    update((number + share) / count)


def _result(scans: Sequence[Scan], registrations: Sequence[Registration], dated: bool) -> dict[str, Any]:
    pairs = [*pairwise(range(len(scans)))]
    if len(scans) > 2:
        pairs.append((0, len(scans) - 1))
    return {
        "schema_version": SCHEMA_VERSION,
        "research_use_only": RESEARCH_USE_ONLY,
        "dated": dated,
        "warnings": warnings(scans, registrations, dated),
        "cts": [_of_ct(scan) for scan in scans],
        "changes": [
            {"from": earlier, "to": later, "measures": changes(scans[earlier].values, scans[later].values)}
            for earlier, later in pairs
        ],
        "registrations": [{"ct": number, "on": 0} | one.numbers for number, one in enumerate(registrations, 1)],
        "software": software(),
    }


def _of_ct(scan: Scan) -> dict[str, Any]:
    given = scan.given
    return {
        "name": given.name,
        "made": given.made and given.made.isoformat(timespec="minutes"),
        "size": list(given.ct.geometry.size),
        "spacing_mm": list(given.ct.geometry.spacing),
        "slices_mm": round(given.thickness, 3),
        "series": given.series,
        "kernel": given.origin.kernel or None,
        "scanner": given.origin.scanner or None,
        "contrast": given.origin.contrast,
        "lungs": "robust" if given.lungs is None else "given mask",
        "in_words": in_words(scan.measures),
        "opacities": scan.measures,
        "values": scan.values,
    }
