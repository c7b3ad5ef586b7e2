"""Options that several commands of the command line share, or that come in groups."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..models.device import DEVICES
from ..models.store import DEFAULT_MODEL
from ..segmentation.parameters import PUBLISHED

CT_HELP = "chest CT: NRRD, NIfTI, MetaImage or a DICOM study (folder, DICOMDIR, .zip, .tar.gz)"
SERIES_HELP = "series of a DICOM study, as inspect lists them; chosen by the program if left out"


def add_assessment_options(parser: argparse.ArgumentParser) -> None:
    """What every command that assesses one CT can be told."""
    add_method(parser)
    group = parser.add_argument_group("patient", "what is known besides the CT; the model uses what it can")
    group.add_argument("--age", metavar="YEARS", help="age of the patient, 0 to 120")
    group.add_argument("--sex", metavar="female|male", help="sex of the patient")
    group.add_argument(
        "--labs",
        type=Path,
        metavar="FILE",
        help="laboratory values: CSV with the columns name, value and unit, CSV with a row of names and one of values, "
        "or JSON",
    )
    add_progress(parser)


def add_method(parser: argparse.ArgumentParser) -> None:
    """How CTs are assessed, whatever they are of."""
    parser.add_argument(
        "--model",
        action="append",
        metavar="NAME|PATH",
        help="shipped model, model folder or zip of it; given several times, the models' verdicts stand side by side "
        f"and are aggregated (default: {DEFAULT_MODEL})",
    )
    parser.add_argument(
        "--refine",
        metavar="METHOD",
        help="how the lungs are found, or given ones refined: robust (default without --lungs), active-contour "
        "(Algorithm 1 of the paper) or none; a verdict rests on lungs by the method that its model knows, unless lungs "
        "are given",
    )
    parser.add_argument(
        "--device",
        default="auto",
        help=f"where to run networks on volumes: {', '.join(DEVICES)}, or one GPU of several, such as cuda:1 (default: "
        "%(default)s, the fastest there is); others run on the CPU",
    )
    parser.add_argument(
        "--prior",
        metavar="P",
        help="probability of COVID-19 before the CT, above 0 and below 1; what the CT makes of it is told (default: "
        "for 0.05, 0.2 and 0.5)",
    )
    add_grid(parser)


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Whether DICOM results say whom they are of."""
    parser.add_argument(
        "--keep-identity",
        action="store_true",
        help="carry patient and study from the series into DICOM results; they are left out otherwise, but for UIDs",
    )


def add_parameters(parser: argparse.ArgumentParser) -> None:
    """The parameters of the segmentation methods."""
    group = parser.add_argument_group(
        "parameters", "of the methods classical (threshold) and active-contour (the others); by default as published"
    )
    helps = {
        "threshold": "what is less dense is lung, -900 to -100: a higher one takes in more opacity, and more of the "
        "walls (default: %(default)s)",
        "alpha": "how strongly the snakes contract, 0 to 1: with more they cut off corners (default: %(default)s)",
        "beta": "how stiff the snakes are, 0 to 100: with more they pass over small notches (default: %(default)s)",
        "iterations": "steps that the snakes move, 0 to 200: with more they come closer to the edges around the lung, "
        "with 0 they stay within it (default: %(default)s)",
        "closing": "radius in mm of the notches in the lung that are filled, 0 to 30: a larger one takes in more "
        "opacity at the pleura, and more of the mediastinum (default: %(default)s)",
    }
    metavars = {"threshold": "HU", "alpha": "A", "beta": "B", "iterations": "N", "closing": "MM"}
    for name, text in helps.items():
        default = getattr(PUBLISHED, name)
        kind = int if name == "iterations" else float
        group.add_argument(f"--{name}", type=kind, default=default, metavar=metavars[name], help=text)
    group.add_argument(
        "--truncate",
        action="store_true",
        help="truncate the points of the snakes to integers, as the paper's authors did, for parity voxel by voxel",
    )


def add_grid(parser: argparse.ArgumentParser) -> None:
    """The geometry of the mask that is written."""
    parser.add_argument(
        "--grid",
        default="ct",
        choices=("ct", "working"),
        help="geometry of the mask: that of the CT (default) or the 1 mm working grid",
    )


def add_progress(parser: argparse.ArgumentParser) -> None:
    """How progress is shown."""
    parser.add_argument(
        "--progress",
        default="bar",
        choices=("bar", "json", "none"),
        help="a bar on the terminal (default), or a JSON line on standard output for each step",
    )
    add_end_with_input(parser)


def add_end_with_input(parser: argparse.ArgumentParser) -> None:
    """Whether the command ends with its standard input."""
    parser.add_argument(
        "--end-with-input",
        nargs="?",
        const="",
        metavar="DIR",
        help="stop, and leave nothing behind, when standard input ends: for programs that start this one. The folder "
        "DIR, made for the job and called covid-mtl-..., is removed, too, if the command fails or is stopped",
    )
