"""Stacks of DICOM slices: what of a series makes up one volume, and what is wrong with the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from ..ct_checks import MIN_SLICES
from .frames import values_of
from .headers import Slice

POSITION_TOLERANCE = 0.1
"""Largest deviation of a slice from its place, as a share of the slice spacing. Positions are
written with few digits and tables do not move exactly, but far better than this."""

PARALLEL = 1e-3
"""Largest difference of direction cosines of slices that are parallel."""

SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

KEYS: tuple[Callable[[Slice], Hashable], ...] = (
    lambda one: (one.size, None if one.spacing is None else tuple(round(mm, 3) for mm in one.spacing)),
    lambda one: one.image_type,
    lambda one: one.kernel,
    lambda one: one.phase,
    lambda one: one.acquisition,
    lambda one: one.time,
)
"""What may tell the acquisitions of one series apart."""


@dataclass(eq=False)
class Stack:
    """Slices of one series, in the order of their positions.

    Attributes
    ----------
    name : str
        SeriesInstanceUID; with ``#1``, ``#2`` and so on, the largest first, where that is of several volumes.
    copies : int
        Files left out because they hold the same slices once more.
    """

    slices: list[Slice]
    name: str
    copies: int = 0

    @property
    def first(self) -> Slice:
        """The first slice."""
        return self.slices[0]

    @cached_property
    def problem(self) -> str | None:
        """Why the slices are no volume; a clause that begins with them."""
        return problem_of(self.slices)

    @property
    def is_localizer(self) -> bool:
        """Whether the slices are views to plan a scan by."""
        return _is_localizer(self.first)

    @property
    def spacing(self) -> float:
        """Distance of slices in mm; 0 if it is not known."""
        if len(self.slices) < 2 or not _all_placed(self.slices):
            return 0.0
        return float(np.median(np.diff([one.height for one in self.slices])))

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest position along the normal in mm."""
        if not _all_placed(self.slices):
            return (0.0, 0.0)
        return self.slices[0].height, self.slices[-1].height


def stacks_of(slices: Sequence[Slice]) -> list[Stack]:
    """The stacks of slices of any series, the larger ones of a series first."""
    series = defaultdict(list)
    for one in slices:
        series[one.series].append(one)
    found = []
    for uid, members in series.items():
        parts = [part for group in _kinds(members) for part in _acquisitions(group)]
        parts.sort(key=lambda part: -len(part[0]))
        several = sum(len(part) >= MIN_SLICES for part, _ in parts) > 1
        found += [
            Stack(part, f"{uid}#{number}" if several or number > 1 else uid, copies)
            for number, (part, copies) in enumerate(parts, 1)
        ]
    return found


def same_pixels(one: Stack, other: Stack) -> bool:
    """Whether two stacks hold the same slices."""
    if len(one.slices) != len(other.slices):
        return False
    return all(
        mine.placed and its.placed and _at_one_place(mine, its, 1e-8) and _same_values(mine, its)
        for mine, its in zip(one.slices, other.slices, strict=True)
    )


def problem_of(slices: Sequence[Slice]) -> str | None:
    """Why slices, in the order of their positions, make up no volume: the end of a sentence about a series."""
    first = slices[0]
    spacings = [one.spacing for one in slices if one.spacing is not None]
    if len(spacings) < len(slices):
        return "has no pixel spacing in its headers, or none that can be; export it again, with whole headers."
    if len(slices) < 2:
        return None
    if not _all_placed(slices):
        return "lacks positions or orientations of slices in its headers; export it again, with whole headers."
    if any(one.size != first.size for one in slices):
        return "has slices that differ in rows or columns; export one series of equal slices."
    if any(not np.allclose(spacing, spacings[0], rtol=1e-3) for spacing in spacings):
        return "has slices of unequal pixel sizes, so that the spacing differs within the series; export equal ones."
    if first.frame is None and any(one.rescale != first.rescale for one in slices):
        return "has slices that differ in rescale, so that their values are not all HU; export it again."
    return _gaps(slices) or _tilt(slices)


def _gaps(slices: Sequence[Slice]) -> str | None:
    heights = np.array([one.height for one in slices])
    gaps = np.diff(heights)
    even = np.linspace(heights[0], heights[-1], len(heights))
    if np.abs(heights - even).max() <= POSITION_TOLERANCE * (even[1] - even[0]):
        return None
    spacing = float(np.median(gaps))
    tolerance = POSITION_TOLERANCE * spacing
    if (gaps < max(tolerance, 1e-3)).any():
        return "has several slices at one position, as of two acquisitions; export them as two series."
    multiples = np.rint(gaps / spacing)
    if (np.abs(gaps - multiples * spacing) > tolerance).any() or _numbered_through(slices):
        return (
            f"has slices at uneven places: the spacing differs within the series, with gaps of {gaps.min():.2f} to "
            f"{gaps.max():.2f} mm; reconstruct it with even spacing."
        )
    missing = int((multiples - 1).sum())
    if missing:
        count = f"{missing} missing slice{'s' if missing > 1 else ''}"
        return (
            f"has {count}: a gap of {gaps.max():.2f} mm where others are {spacing:.2f} mm; export the complete series."
        )
    return None


def _numbered_through(slices: Sequence[Slice]) -> bool:
    """Whether slices are files whose numbers go on from one to the next, so that none of them is missing."""
    numbers = [one.number for one in slices if one.frame is None and one.number is not None]
    return len(numbers) == len(slices) and set(np.diff(numbers)) in ({1}, {-1})


def _tilt(slices: Sequence[Slice]) -> str | None:
    places = np.array([one.position for one in slices])
    shifts = places - places[0]
    along = shifts @ slices[0].normal
    sideways = np.linalg.norm(shifts - along[:, None] * slices[0].normal, axis=1)
    if sideways.max() > max(1.0, 0.01 * np.abs(along).max()):
        return "has slices shifted sideways, as with a tilted gantry; resample it to straight slices."
    return None


def _is_localizer(one: Slice) -> bool:
    return "LOCALIZER" in one.image_type


def _kinds(slices: Sequence[Slice]) -> list[list[Slice]]:
    """Slices apart that are of different things: by modality, class, whether they are localizers, orientation."""
    groups: list[list[Slice]] = []
    for one in slices:
        for group in groups:
            if _alike(one, group[0]):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _alike(one: Slice, other: Slice) -> bool:
    kinds = [(a.modality, a.sop_class.startswith(SECONDARY_CAPTURE), _is_localizer(a)) for a in (one, other)]
    if kinds[0] != kinds[1]:
        return False
    if one.axes is None or other.axes is None:
        return one.axes is other.axes
    return np.allclose(one.axes, other.axes, atol=PARALLEL)


def _acquisitions(slices: list[Slice]) -> list[tuple[list[Slice], int]]:
    """Parallel slices apart that are of several acquisitions, if that makes volumes of them; copies are left out."""
    whole, copies = _sorted_once(slices)
    if len(whole) == 1 or problem_of(whole) is None:
        return [(whole, copies)]
    runs = (_runs(whole, lambda one: one.number), _runs(whole, lambda one: one.time and (one.time, one.number or 0)))
    for number, key in enumerate((*KEYS, *runs)):
        parts = defaultdict(list)
        for one in whole:
            parts[key(one)].append(one)
        large = [part for part in parts.values() if len(part) >= MIN_SLICES]
        apart = number == 0 or _overlap(parts.values())  # and no gap, of a slice that is missing
        told = number < len(KEYS) or len(large) == len(parts) or _holds_all(parts.values())
        if len(parts) > 1 and large and apart and told and all(problem_of(part) is None for part in large):
            return [(part, copies) for part in parts.values()]
    return [(whole, copies)]


def _all_placed(slices: Iterable[Slice]) -> bool:
    return all(one.placed for one in slices)


def _overlap(parts: Iterable[Sequence[Slice]]) -> bool:
    """Whether any two of several parts, each in order, lie at the same positions at least in part."""
    if not all(map(_all_placed, parts)):
        return False
    ends = sorted((part[0].height, part[-1].height) for part in parts)
    return any(later[0] <= before[1] + 1e-3 for before, later in pairwise(ends))


def _holds_all(parts: Iterable[Sequence[Slice]]) -> bool:
    """Whether the largest of several parts reaches from the first to the last position of all.

    A slice that is out of its place makes parts, too, none of which does.
    """
    largest = max(parts, key=len)
    ends = [one.height for part in parts for one in (part[0], part[-1])]
    return largest[0].height - 1e-3 <= min(ends) and max(ends) <= largest[-1].height + 1e-3


def _runs(slices: Sequence[Slice], order: Callable[[Slice], Any]) -> Callable[[Slice], int]:
    """Which sequence a slice is of, if slices were taken one sequence after the other, each from end to end.

    Of slices whose order is not known, as if two have the same number, all are of one sequence.
    """
    run: dict[int, int] = {}
    places = [order(one) for one in slices]
    if all(place not in (None, "") for place in places) and len(set(places)) == len(slices) and _all_placed(slices):
        ordered = sorted(slices, key=order)
        steps = np.diff([one.height for one in ordered])
        usual = np.median(np.abs(steps)) if len(steps) else 0.0
        # Between two sequences the table goes back, or its direction changes.
        new = (np.abs(steps) > 1.5 * usual) | np.r_[False, steps[1:] * steps[:-1] < 0] | (steps == 0)
        run = {id(one): int(number) for one, number in zip(ordered, np.r_[0, np.cumsum(new)], strict=True)}
    return lambda one: run.get(id(one), 0)


def _sorted_once(slices: list[Slice]) -> tuple[list[Slice], int]:
    """Slices in the order of their positions without copies, and how many copies there were."""
    if not _all_placed(slices):
        return slices, 0
    found: list[Slice] = []
    for one in sorted(slices, key=lambda one: one.height):
        beside = takewhile(partial(_is_just_before, one), reversed(found))
        if not any(_is_copy(one, other) for other in beside):
            found.append(one)
    return found, len(slices) - len(found)


def _is_just_before(one: Slice, other: Slice) -> bool:
    return one.height - other.height < 1e-3


def _at_one_place(one: Slice, other: Slice, tolerance: float) -> bool:
    if one.position is None or other.position is None:
        return False
    return np.allclose(one.position, other.position, atol=tolerance)


def _is_copy(one: Slice, other: Slice) -> bool:
    if not _at_one_place(one, other, 1e-3) or one.size != other.size:
        return False
    same_file = one.uid and (one.uid, one.frame) == (other.uid, other.frame)
    return bool(same_file) or _same_values(one, other)


def _same_values(one: Slice, other: Slice) -> bool:
    try:
        return np.array_equal(values_of(one), values_of(other))
    except RuntimeError:  # damaged ones are told of when they are read
        return False
