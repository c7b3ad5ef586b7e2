"""What makes CTs hard to compare: one sentence on each, and what it does to the comparison."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from .registration import Registration
from .scans import Given, Scan

THICKER = 1.5
"""How many times thicker slices are told of."""

BREATH = 0.1
"""Difference of the lung volumes, as a share of the larger, from which that is told of."""


def warnings(scans: Sequence[Scan], registrations: Sequence[Registration], dated: bool) -> list[str]:
    """Warnings about the comparison, then those of each CT with its name.

    Parameters
    ----------
    scans : sequence of Scan
        In the order in which they are compared.
    registrations : sequence of Registration
        Of each CT but the first to the first.
    dated : bool
        Whether there is a date of each.

    Returns
    -------
    list of str
    """
    given = [scan.given for scan in scans]
    found = [] if dated else [_undated(given)]
    found += [*_thickness(given), *_made_otherwise(given), *_breath(scans)]
    for scan, one in zip(scans[1:], registrations, strict=True):
        if one.poor:
            found.append(
                f"{scan.given.name} could not be laid on {given[0].name} well (Dice of the lungs {one.dice:.2f}, "
                f"{one.distance_mm:.1f} mm between their surfaces): the pictures side by side may not show the same "
                "place. The measures do not rest on it."
            )
    return [*found, *(f"{scan.given.name}: {text}" for scan in scans for text in scan.warnings)]


def _undated(given: Sequence[Given]) -> str:
    names = ", ".join(one.name for one in given if one.made is None)
    return f"There is no date of {names}: the CTs are taken in the order in which they were given; --dates says when."


def _thickness(given: Sequence[Given]) -> list[str]:
    thin, thick = (choose(given, key=lambda one: one.thickness) for choose in (min, max))
    if thick.thickness < THICKER * thin.thickness:
        return []
    return [
        f"The slices lie {thin.thickness:.1f} mm apart in {thin.name} and {thick.thickness:.1f} mm in {thick.name}: "
        "thick slices blur small opacities, so that a small change may be one of the slices."
    ]


def _made_otherwise(given: Sequence[Given]) -> list[str]:
    found = []
    for what, says in (("kernel", "edges and noise"), ("scanner", "densities")):
        names = {name: one.name for one in given if (name := getattr(one.origin, what))}
        if len(names) > 1:
            said = ", ".join(f"{name} ({of})" for name, of in names.items())
            found.append(f"Not all CTs are of one {what}: {said}; {says} differ by that, too.")
    told = {one.origin.contrast: one.name for one in given if one.origin.contrast is not None}
    if len(told) > 1:
        found.append(
            f"{told[True]} was made with a contrast medium and {told[False]} without, which denser vessels show."
        )
    return found


def _lung_ml(scan: Scan) -> float:
    value = scan.values["both_lung_ml"]
    assert value is not None, "the volume of the lungs is always known"
    return value["value"]


def _breath(scans: Sequence[Scan]) -> list[str]:
    found = []
    for one, other in pairwise(scans):
        before, after = _lung_ml(one), _lung_ml(other)
        if abs(after - before) > BREATH * max(before, after):
            found.append(
                f"The lungs have {before:.0f} ml in {one.given.name} and {after:.0f} ml in {other.given.name}: with "
                "less breath all lung is denser, and dense lung may not have been found: look at the outlines."
            )
    return found
