"""One case of a cohort: assessed into a folder of its own, by whoever claims it first."""

from __future__ import annotations

import json
import shutil
import traceback
from functools import lru_cache
from pathlib import Path

from ..assessment.options import AssessmentOptions
from ..assessment.pipeline import assess
from ..assessment.requirements import load_models
from ..models.model import Model
from ..utils.errors import NOT_OURS, sentence
from ..utils.progress import Callback
from .locks import claim, partial_folder
from .outcome import FAILED, Outcome, read_outcome
from .table import Case


def prepare(options: AssessmentOptions, *, progress: Callback) -> None:
    """Load what every case takes, so that what is wrong with it is told before the first one."""
    _models(options.models, options.device)


def assess_case(
    case: Case, folder: Path, options: AssessmentOptions, *, again: bool, wait: bool, progress: Callback
) -> Outcome | None:
    """Assess a case of a cohort, unless that is done.

    Parameters
    ----------
    case : Case
    folder : Path
        Where the folders of all cases are. That of the case is there and whole, or not there: it holds the files of
        `pipeline.assess`, or what `fail_case` writes.
    options : AssessmentOptions
        Of all cases alike; models stay loaded for the next case.
    again : bool
        Whether to try a case that has failed once more.
    wait : bool
        Whether to wait if another process has claimed the case.

    Returns
    -------
    Outcome or None
        None if another process has claimed the case.
    """
    out = folder / case.name
    with claim(folder, case.name, wait) as mine:
        if not mine:
            return None
        known = read_outcome(out)
        if known is not None and not (known.error and again):
            return known
        try:
            partial = _emptied(folder, case.name)
            assess(
                case.ct,
                partial,
                name=case.name,
                model=_models(options.models, options.device),
                refine=options.refine,
                grid=options.grid,
                prior=options.prior,
                progress=progress,
                **case.options,
            )
            if out.exists():
                shutil.rmtree(out)
            partial.rename(out)
        except NOT_OURS as error:
            return _write_failure(folder, case.name, sentence(error))
        except Exception as error:
            said = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
            reason = f"This should not have happened; please report it: {said}"
            return _write_failure(folder, case.name, reason, traceback.format_exc())
        return read_outcome(out)


def fail_case(name: str, folder: Path, reason: str, again: bool = False) -> Outcome:
    """Write down that a case failed, unless another process has come to an end with it; ``again``: has assessed it."""
    with claim(folder, name, wait=True):
        known = read_outcome(folder / name)
        if known is not None and not (known.error and again):
            return known
        return _write_failure(folder, name, reason)


def _write_failure(folder: Path, name: str, reason: str, trace: str = "") -> Outcome:
    """The folder of a failed case holds ``failed.json``: ``error``, and ``traceback`` of a fault of the program."""
    partial, out = _emptied(folder, name), folder / name
    partial.mkdir()
    content = {"case": name, "error": reason} | ({"traceback": trace} if trace else {})
    (partial / FAILED).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    if out.exists():
        shutil.rmtree(out)
    partial.rename(out)
    outcome = read_outcome(out)
    assert outcome is not None, "it was written above"
    return outcome


def _emptied(folder: Path, name: str) -> Path:
    """Where to make the folder of a case that is claimed, without what a killed process left there."""
    partial = partial_folder(folder, name)
    if partial.exists():
        shutil.rmtree(partial)
    return partial


@lru_cache(maxsize=1)
def _models(names: tuple[str, ...], device: str) -> list[Model]:
    return load_models(names, device)
