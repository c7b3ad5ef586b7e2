"""The CTs of a patient: read, told apart, put in order, and measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.ct_checks import axial_axis
from ..imaging.io.reader import opened_study
from ..imaging.masks.reader import read_lungs
from ..imaging.volume import Geometry, Volume, to_working_grid
from ..measurements.lung_quality import warn_of_lungs
from ..opacities import find_opacities, measure_opacities
from ..opacities import warnings as warnings_of_opacities
from ..reports.figures import MARGIN
from ..segmentation import methods
from ..utils.errors import InputError
from ..utils.text import printable
from .change import Value, values_of
from .origin import Origin, origin_of

RESULTS = "assessment.json"


class Source(NamedTuple):
    """A CT to be read.

    Attributes
    ----------
    ct : Path
        As of `io.reader.read_ct`.
    name : str
        What to call it.
    lungs : Path or None
        A mask of its lungs; found if there is none.
    series : str or None
        Of its study; chosen by the program if there is none.
    made : datetime or None
        When; as its files say if there is none.
    """

    ct: Path
    name: str
    lungs: Path | None = None
    series: str | None = None
    made: datetime | None = None


@dataclass(frozen=True)
class Given:
    """A CT as it was read.

    Attributes
    ----------
    name : str
    ct : Volume
        HU.
    lungs : Volume or None
        A mask that was given, on any grid.
    origin : Origin
    made : datetime or None
        When, as the user says, or else its files.
    series : str or None
    warnings : list of str
    """

    name: str
    ct: Volume
    lungs: Volume | None
    origin: Origin
    made: datetime | None
    series: str | None
    warnings: list[str]

    @property
    def thickness(self) -> float:
        """Distance of the slices in mm."""
        return self.ct.geometry.spacing[axial_axis(self.ct.geometry)]

    @property
    def digest(self) -> str:
        """Of the values."""
        return hashlib.sha256(np.ascontiguousarray(self.ct.array).tobytes()).hexdigest()


@dataclass(frozen=True)
class Scan:
    """A CT that was measured, as far as its lungs reach, and `figures.MARGIN` mm around them.

    Attributes
    ----------
    given : Given
    ct, lungs, opacities : Volume
        HU, 1 right and 2 left lung, 1 ground glass and 2 consolidation, on one 1 mm grid.
    measures : dict
        As of `opacities.measure_opacities`.
    values : dict
        As of `change.values_of`.
    warnings : list of str
    """

    given: Given
    ct: Volume
    lungs: Volume
    opacities: Volume
    measures: dict[str, Any]
    values: dict[str, Value | None]
    warnings: list[str]


def sources(
    cts: Sequence[Path],
    lungs: Sequence[Path | None] | None = None,
    series: Sequence[str | None] | None = None,
    dates: Sequence[datetime | None] | None = None,
    names: Sequence[str] | None = None,
) -> list[Source]:
    """What is given for each CT, in the order of the CTs; they are called by the names of their files unless told."""
    nothing = [None] * len(cts)
    called = [*map(printable, names)] if names else names_of(cts)
    given = zip(cts, called, lungs or nothing, series or nothing, dates or nothing, strict=True)
    return [Source(*one) for one in given]


def read(source: Source) -> Given:
    """Read a CT, and the mask of its lungs if there is one.

    Raises
    ------
    InputError
        If it cannot be used.
    """
    if (source.ct / RESULTS).is_file():
        raise InputError(f"{source.ct} holds results of an assessment; give the CT itself, and its lungs with --lungs.")
    with opened_study(source.ct, source.series) as study:
        origin = origin_of(study.files[0])
        lungs = read_lungs(source.lungs, study.ct) if source.lungs is not None else None
        warnings = [*study.warnings, *(lungs.warnings if lungs else [])]
        taken = lungs.volume if lungs else None
        return Given(source.name, study.ct, taken, origin, source.made or origin.made, study.series, warnings)


def names_of(paths: Sequence[Path]) -> list[str]:
    """What to call CTs: by the names of their files, with their folders where these are the same."""
    names = [printable(path.name) for path in paths]
    return [
        printable(f"{path.absolute().parent.name}/{path.name}") if names.count(name) > 1 else name
        for path, name in zip(paths, names, strict=True)
    ]


def check_apart(given: Sequence[Given]) -> None:
    """Raise `InputError` if two CTs are the same, or if they say that they are of different patients."""
    for number, one in enumerate(given):
        for other in given[:number]:
            if one.origin.patient and other.origin.patient and one.origin.patient != other.origin.patient:
                raise InputError(
                    f"{other.name} and {one.name} are of different patients by the PatientID in their headers; give "
                    "CTs of one patient."
                )
            if one.ct.geometry == other.ct.geometry and one.digest == other.digest:
                raise InputError(f"{other.name} and {one.name} are the same CT; give each CT once.")


def in_time(given: Sequence[Given]) -> list[Given]:
    """CTs from the earliest to the latest, or as they were given unless each has a date."""
    dated = [(one.made, number) for number, one in enumerate(given) if one.made is not None]
    if len(dated) < len(given):
        return list(given)
    return [given[number] for _made, number in sorted(dated)]


def measure(given: Given, update: Callable[[float], None]) -> Scan:
    """Find and measure lungs and opacities.

    Parameters
    ----------
    given : Given
    update : callable
        Is told the share done, 0 to 1.

    Raises
    ------
    ImplausibleCT
        If there are no lungs that can be measured.
    """
    working = to_working_grid(given.ct)
    update(0.15)
    found, chest = methods.lungs_of(working, given.lungs, given.name, lambda share: update(0.15 + 0.5 * share))
    update(0.65)
    opacities = find_opacities(working, found)
    measures = measure_opacities(working, found, opacities)
    warnings = [*given.warnings, *warn_of_lungs(working, found, given.name, chest), *warnings_of_opacities(measures)]
    ct, lungs, labels = _cropped(working, found, opacities.labels)
    return Scan(given, ct, lungs, labels, measures, values_of(lungs, measures), warnings)


def _cropped(ct: Volume, lungs: Volume, opacities: Volume) -> list[Volume]:
    box = box_of(lungs.array > 0, MARGIN)
    arrays = [np.ascontiguousarray(volume.array[box]) for volume in (ct, lungs, opacities)]
    whole = ct.geometry
    origin = tuple(whole.point_at([side.start for side in box[::-1]]).tolist())
    grid = Geometry(arrays[0].shape[::-1], whole.spacing, origin, whole.direction)
    return [Volume(array, grid) for array in arrays]
