"""The command line ``covid-mtl``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from math import isnan
from pathlib import Path
from typing import Any

from ..assessment import existing_files, jobs
from ..features.extraction import BUILT_IN, ENGINES
from ..imaging.io import inspection
from ..models.store import DEFAULT_MODEL
from ..patient.patient import check_patient
from ..prediction.likelihood_ratio import check_prior
from ..processes.cancellation import Stopped, WorkerFailed, run_supervised, serving, stoppable
from ..utils import atomic_files
from ..utils.errors import NOT_OURS, InputError, sentence
from ..utils.progress import silent
from ..utils.text import printable
from ..utils.version import RESEARCH_USE_ONLY, __version__
from . import calibrate as calibration
from . import cohort as cohort_command
from . import console
from . import export_dicom as dicom_command
from . import follow as follow_command
from . import model as model_commands
from . import opacities as opacities_command
from . import segment as segment_command
from .options import CT_HELP, SERIES_HELP, add_assessment_options, add_identity, add_progress

EXIT_FAILED, EXIT_INPUT = 1, 2
DONE = ("done", 1.0, "Done")


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns the exit code: 0, 1 for a failure of the program, 2 for bad input, 128 + the number of a signal that
    stopped it.
    """
    console.write_all_characters()
    console.quiet_libraries()
    options = _parser().parse_args(arguments)
    try:
        _check_here()
        with stoppable(), serving(getattr(options, "end_with_input", None)):
            options.command(options)
    except NOT_OURS as error:
        return _failed(options, EXIT_INPUT, "input", printable(sentence(error)))
    except Stopped as stop:
        return _failed(options, stop.code, "failure", f"stopped; {stop.what}.")
    except WorkerFailed as failure:
        told = f"this should not have happened; please report it.\n{failure}"
        return _failed(options, EXIT_FAILED, "failure", told)
    return 0


def _failed(options: argparse.Namespace, code: int, kind: str, text: str) -> int:
    """Say why a command failed, to people and to the program that reads the progress; returns the exit code."""
    if getattr(options, "progress", None) == "json":
        console.tell_error(kind, text)
    print(f"covid-mtl: {text}", file=sys.stderr)
    return code


def _check_here() -> None:
    """Raise `InputError` in a folder that somebody has removed, in which no process starts another one."""
    try:
        Path.cwd()
    except FileNotFoundError as error:
        raise InputError("The folder that this was started in is gone; start it in another one.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="covid-mtl", description=f"Assess COVID-19 pneumonia on a chest CT. {RESEARCH_USE_ONLY}"
    )
    parser.add_argument("--version", action="version", version=f"covid-mtl {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    name_help = "what to call the case in the report; its file name if left out"

    assess = _command(commands, "assess", _assess, "assess a chest CT")
    assess.add_argument("ct", type=Path, metavar="CT", help=CT_HELP)
    assess.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    assess.add_argument("--lungs", type=Path, metavar="MASK", help="lung mask of any program; found if left out")
    assess.add_argument("--series", metavar="UID", help=SERIES_HELP)
    assess.add_argument("--name", metavar="TEXT", help=name_help)
    assess.add_argument(
        "--dicom",
        action="store_true",
        help="for a DICOM study: also write lungs.dcm and opacities.dcm, segmentations, and assessment.dcm, a report",
    )
    add_identity(assess)
    add_assessment_options(assess)

    segment_command.add_options(_command(commands, "segment", segment_command.segment, segment_command.HELP))

    features = _command(commands, "features", _features, "compute the 375 lung features")
    features.add_argument("ct", type=Path, metavar="CT", help=CT_HELP)
    features.add_argument("mask", type=Path, metavar="MASK", help="lung mask")
    features.add_argument("--out", type=Path, metavar="CSV", required=True, help="table to write")
    features.add_argument("--series", metavar="UID", help=SERIES_HELP)
    features.add_argument("--engine", default=BUILT_IN, help=f"{', '.join(ENGINES)} (default: %(default)s)")
    add_progress(features)

    inspect = _command(commands, "inspect", _inspect, "list the series of a study, which would be assessed, and why")
    inspect.add_argument("study", type=Path, metavar="STUDY", help="DICOM folder, DICOMDIR, .zip or .tar.gz")
    inspect.add_argument("--series", metavar="UID", help=SERIES_HELP)
    inspect.add_argument("--json", action="store_true", help="print JSON")

    compare = _command(
        commands,
        "compare-masks",
        _compare,
        "compare two masks, all labels alike, on the grid of the second; prints JSON",
    )
    compare.add_argument("predicted", type=Path, metavar="PREDICTED")
    compare.add_argument("reference", type=Path, metavar="REFERENCE")

    demo = _command(commands, "demo", _demo, "make a synthetic chest CT and assess it")
    demo.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        default=Path("covid-mtl-demo"),
        help="folder for the results (default: %(default)s)",
    )
    demo.add_argument("--seed", type=int, default=0, help="of the synthetic patient (default: %(default)s)")
    demo.add_argument(
        "--ground-glass",
        type=float,
        default=0.12,
        metavar="SHARE",
        help="share of the lung with ground glass, 0 to 0.5 (default: %(default)s)",
    )
    demo.add_argument(
        "--consolidation",
        type=float,
        default=0.03,
        metavar="SHARE",
        help="share of the lung that is consolidated, 0 to 0.5 (default: %(default)s)",
    )
    add_assessment_options(demo)

    opacities_command.add_options(_command(commands, "opacities", opacities_command.opacities, opacities_command.HELP))
    follow_command.add_options(_command(commands, "follow", follow_command.run, follow_command.HELP))
    cohort_command.add_options(_command(commands, "cohort", cohort_command.cohort, cohort_command.HELP))
    calibration.add_options(_command(commands, "calibrate", calibration.calibrate, calibration.HELP))
    dicom_command.add_options(_command(commands, "export-dicom", dicom_command.export_dicom, dicom_command.HELP))

    text = "list, show and check models, and import published ones"
    model = commands.add_parser("model", help=text, description=f"{text[0].upper()}{text[1:]}. {RESEARCH_USE_ONLY}")
    subcommands = model.add_subparsers(metavar="COMMAND", required=True)
    for name, (function, text, add_options) in model_commands.COMMANDS.items():
        add_options(_command(subcommands, name, function, text))
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], object],
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}. {RESEARCH_USE_ONLY}")
    parser.set_defaults(command=function)
    return parser


def _assess(options: argparse.Namespace) -> None:
    more = {key: getattr(options, key) for key in ("lungs", "series", "name", "dicom", "keep_identity")}
    _assess_into_folder(options, jobs.assess, options.ct, **more)


def _demo(options: argparse.Namespace) -> None:
    _assess_into_folder(options, jobs.demo, options.seed, options.ground_glass, options.consolidation)


def _assess_into_folder(
    options: argparse.Namespace, job: Callable[..., dict[str, Any]], *arguments: Any, **more: Any
) -> None:
    patient = check_patient(options.age, options.sex, options.labs)
    check_prior(options.prior)
    ct = arguments[0] if job is jobs.assess else None
    kept: dict[str, str] = {}
    existing_files.check_not_ct([options.out / "lungs.nrrd"], ct)

    def keep(folder: Path) -> None:
        kept.update(existing_files.keep_others(options.out, folder, ct, [more.get("lungs")]))

    with console.progress(options.progress) as progress:
        with atomic_files.staged_folder(options.out, keep) as folder:
            result = run_supervised(
                job,
                *arguments,
                folder,
                model=options.model or DEFAULT_MODEL,
                refine=options.refine,
                device=options.device,
                grid=options.grid,
                age=patient.age,
                sex=patient.sex,
                labs=patient.labs,
                prior=options.prior,
                progress=progress,
                **more,
            )
        progress(*DONE)
    if options.progress != "json":
        print(console.summary(result, options.out))
    for name, other in kept.items():
        print(f"{name}, which was in {options.out} before, is kept there as {other}.", file=sys.stderr)


def _features(options: argparse.Namespace) -> None:
    atomic_files.check_apart(options.out, options.ct, options.mask)
    existing_files.check_outputs(options.ct, options.out)
    with console.progress(options.progress) as progress:
        with atomic_files.staged_file(options.out) as path:
            warnings = run_supervised(
                jobs.features, options.ct, options.mask, path, options.series, options.engine, progress=progress
            )
        progress(*DONE)
    for warning in warnings:
        print(f"Warning: {warning}", file=sys.stderr)


def _inspect(options: argparse.Namespace) -> None:
    found = inspection.inspect(options.study, options.series)
    text = json.dumps(found, indent=2) if options.json else inspection.table(found)
    print(text if options.json else "\n".join(map(printable, text.splitlines())))


def _compare(options: argparse.Namespace) -> None:
    found = run_supervised(jobs.compare, options.predicted, options.reference, progress=silent)
    # JSON has no NaN, which a measure is where it divides by zero.
    print(json.dumps({name: None if isnan(value) else value for name, value in found.items()}, indent=2))
