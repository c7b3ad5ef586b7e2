"""Assessing a CT in a process of its own."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..patient.laboratory import check_labs
from ..processes.command_process import Child
from ..processes.process_group import JOB_FOLDER
from ..utils.progress import Callback, silent


def assess_in_child(
    ct: str | Path,
    out: str | Path,
    *,
    name: str | None = None,
    labs: str | Path | Mapping[str, Any] | None = None,
    progress: Callback = silent,
    python: str = sys.executable,
    **options: Any,
) -> None:
    """Assess one CT in a process of its own. Research use only.

    Parameters
    ----------
    ct : path
        Image file or DICOM folder.
    out : path
        Folder for the results; it is left as it was if anything goes wrong.
    name : str, optional
        What to call the CT; the name of its file by default.
    labs : path or mapping, optional
        Laboratory values, as `patient.check_patient` takes them.
    progress, python
        As of `Child`; what ``progress`` raises ends the job.
    **options
        The other options of ``covid-mtl assess``, such as ``model``, ``refine``, ``lungs`` and ``age``;
        with None or False one is left out, with True given without a value, with a list several times.

    Raises
    ------
    InputError
        With one sentence on what is wrong with the input and what to do.
    ChildFailed
        If the process ended for any other reason.
    """
    with tempfile.TemporaryDirectory(prefix=JOB_FOLDER) as folder:
        if isinstance(labs, Mapping):
            labs = _as_file(check_labs(labs), Path(folder) / "labs.json")
        options |= {"name": name, "labs": labs}
        given = {key: value for key, value in options.items() if value is not None and value is not False}
        several = {key: value if isinstance(value, (list, tuple)) else [value] for key, value in given.items()}
        # In one word with its option, a value may begin with a hyphen.
        words = [
            f"--{key.replace('_', '-')}" + ("" if value is True else f"={value}")
            for key, values in several.items()
            for value in values
        ]
        Child("assess", f"--out={out}", *words, "--", ct, python=python, folder=folder).wait(progress)


def _as_file(labs: dict[str, float], path: Path) -> Path | None:
    """Write laboratory values as ``--labs`` takes them; None if there are none."""
    if not labs:
        return None
    path.write_text(json.dumps(labs), encoding="utf-8")
    return path
