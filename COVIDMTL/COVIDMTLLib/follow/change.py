"""What the measures of one CT are, how far each can be trusted, and what has changed from one CT to another.

A measure comes with an interval: what it is with thresholds moved by 25 HU and the boundary of the lungs by 1 mm, and
beyond that what it differs by from one CT of the same lungs to the next. A change has the root of the sum of the
squares of both, as of errors that have nothing to do with each other, and of a share of itself: opacities that are
missed in both CTs make it smaller, or larger, but none of nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot
from typing import Any

import numpy as np

from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Volume
from ..opacities.measures import ZONES, score_of

LEAST_ERROR, RELATIVE_ERROR = 0.005, 0.1
"""The same lungs in thicker slices or turned give a share to within this much of the lung and this much of itself,
beyond its own interval."""

MISSED = 0.3
"""Share of a change of opacities that may be missed, or too much: what planted ones are."""

INCREASED, DECREASED, NO_CHANGE = "increased", "decreased", "no change beyond the measurement"

SIDES = {"both": "Both lungs", "right": "Right lung", "left": "Left lung"}

Value = dict[str, float]


@dataclass(frozen=True)
class Measure:
    """What is measured of every CT.

    Attributes
    ----------
    key : str
        Its name in files.
    title : str
    unit : {"ml", "%", ""}
        In which it is shown; shares are stored as such.
    """

    key: str
    title: str
    unit: str


def _measures() -> tuple[Measure, ...]:
    found = []
    for side, title in SIDES.items():
        found += [
            Measure(f"{side}_lung_ml", f"{title}, volume", "ml"),
            Measure(f"{side}_opacity_ml", f"{title}, opacities", "ml"),
            Measure(f"{side}_opacity_share", f"{title}, share of opacities", "%"),
            Measure(f"{side}_high_opacity_share", f"{title}, share of high opacity", "%"),
        ]
    found.append(Measure("score", "Sum of zone scores", ""))
    return (*found, *(Measure(f"{zone.replace(' ', '_')}_share", f"{zone.capitalize()} zone", "%") for zone in ZONES))


MEASURES = _measures()
"""All measures, in the order in which they are shown."""


def values_of(lungs: Volume, opacities: Mapping[str, Any]) -> dict[str, Value | None]:
    """The measures of a CT with their intervals.

    Parameters
    ----------
    lungs : Volume
        1 right lung, 2 left lung, on the 1 mm working grid.
    opacities : mapping
        As of `opacities.measure_opacities`.

    Returns
    -------
    dict
        ``value``, ``low`` and ``high`` by the keys of `MEASURES`; None of what is not there. Volumes of opacities
        have the interval of their share of the lung.
    """
    found: dict[str, Value | None] = {}
    masks = {"both": lungs.array > 0, "right": lungs.array == RIGHT, "left": lungs.array == LEFT}
    for side, mask in masks.items():
        volume = _volume(mask, lungs.geometry.voxel_volume)
        share = widened(opacities[side]["opacity"])
        found[f"{side}_lung_ml"] = volume
        found[f"{side}_opacity_ml"] = share and {name: round(volume["value"] * one, 1) for name, one in share.items()}
        found[f"{side}_opacity_share"] = share
        found[f"{side}_high_opacity_share"] = widened(opacities[side]["high_opacity"])
    zones = {zone: widened(opacities["zones"][zone]["opacity"]) for zone in ZONES}
    found["score"] = _score([share for share in zones.values() if share])
    return found | {f"{zone.replace(' ', '_')}_share": share for zone, share in zones.items()}


def changes(earlier: Mapping[str, Value | None], later: Mapping[str, Value | None]) -> dict[str, dict[str, Any] | None]:
    """What has changed from one CT to another.

    Parameters
    ----------
    earlier, later : mapping
        As of `values_of`.

    Returns
    -------
    dict
        ``change``, the later value minus the earlier one, ``low`` and ``high``, between which it lies, and
        ``verdict``, by the keys of `MEASURES`; None where one of them is not there.
    """
    found: dict[str, dict[str, Any] | None] = {}
    for one in MEASURES:
        before, after = earlier[one.key], later[one.key]
        missed = 0 if one.key.endswith("lung_ml") else MISSED
        found[one.key] = _change(before, after, missed) if before and after else None
    return found


def _change(earlier: Value, later: Value, missed: float) -> dict[str, Any]:
    change = later["value"] - earlier["value"]
    low = change - hypot(later["value"] - later["low"], earlier["high"] - earlier["value"], missed * change)
    high = change + hypot(later["high"] - later["value"], earlier["value"] - earlier["low"], missed * change)
    verdict = INCREASED if low > 0 else DECREASED if high < 0 else NO_CHANGE
    return {"change": round(change, 4), "low": round(low, 4), "high": round(high, 4), "verdict": verdict}


def widened(share: Mapping[str, float] | None) -> Value | None:
    """A share with its interval widened by what shares are found to differ by."""
    if share is None:
        return None
    error = LEAST_ERROR + RELATIVE_ERROR * share["share"]
    return {
        "value": share["share"],
        "low": round(max(0.0, share["low"] - error), 4),
        "high": round(min(1.0, share["high"] + error), 4),
    }


def _score(zones: list[Value]) -> Value:
    """The sum of zone scores, which is known to within one at best; where no zone has an opacity, it is none."""
    found = [zone for zone in zones if zone["value"] > 0]
    value, low, high = (sum(score_of(zone[name]) for zone in found) for name in ("value", "low", "high"))
    if not found:
        return {"value": value, "low": low, "high": high}
    return {"value": value, "low": max(0, min(low, value - 1)), "high": min(4 * len(zones), max(high, value + 1))}


def _volume(mask: np.ndarray, voxel: float) -> Value:
    """Volume in ml of a mask, and with its boundary moved by a voxel."""
    smaller, larger = mask.copy(), mask.copy()
    for axis in range(3):
        given, less, more = (np.moveaxis(one, axis, 0) for one in (mask, smaller, larger))
        for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
            less[here] &= given[there]
            more[here] |= given[there]
    parts = {"value": mask, "low": smaller, "high": larger}
    return {name: round(np.count_nonzero(part) * voxel, 1) for name, part in parts.items()}
