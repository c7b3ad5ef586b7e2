"""How much of the lungs opacities take, where they lie, and what that owes to thresholds and boundaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Volume
from .detection import CONSOLIDATION, HIGH_OPACITY, MOVED, Opacities, with_mediastinum

SIDES = {"right": RIGHT, "left": LEFT}
HEIGHTS = ("upper", "middle", "lower")
ZONES = tuple(f"{height} {side}" for side in SIDES for height in HEIGHTS)
"""The six zones: upper, middle and lower third of each lung by height."""

SCORES = 0.25, 0.5, 0.75
"""Shares of a zone with opacities from which its score is 2, 3 and 4; it is 1 below, and 0 for less than `TRACE`."""

TRACE = 0.005
"""Share of a zone with opacities below which there are none: what is found in a lung without."""

BASE = 0.1
"""Area of a slice of lung as a share of the largest, from which the apex and the base count: below that is the recess
behind the diaphragm."""

PERIPHERY = 20.0
"""mm from the chest wall and the diaphragm that are the periphery."""

STEP = 2
"""mm between the voxels on which the periphery is told."""


def measure_opacities(ct: Volume, lungs: Volume, opacities: Opacities) -> dict[str, Any]:
    """Volumes, shares, zones and scores of opacities.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.
    opacities : Opacities
        As of `find_opacities`.

    Returns
    -------
    dict
        For ``both``, ``right`` and ``left``: ``opacity_ml``, ``ground_glass_ml``, ``consolidation_ml``, and as shares
        of the lung ``opacity`` and ``high_opacity`` (from -200 HU on). ``zones``: for each of `ZONES` its share of
        opacity and its score 0 to 4. ``score``: the sum of these, 0 to 24. ``peripheral``, ``posterior``,
        ``at_the_back`` (the last fifth of the lungs): shares of the opacities that lie there, None without any; the
        rest is central, or anterior. ``healthy_hu``: density of healthy lung, to which opacities are compared. Shares
        come with an interval, ``low`` and ``high``: the least and the most with thresholds moved by 25 HU and with the
        boundary of the lungs moved by 1 mm. Shares of a lung that is not there are None.
    """
    if not lungs.array.any():
        nothing = np.zeros(1, bool)
        regions = _of_regions(np.zeros(1, np.intp), nothing, nothing, nothing, ct.geometry.voxel_volume)
        return regions | _nowhere() | {"healthy_hu": None}
    box = box_of(lungs.array > 0, 2)
    hu, sides, labels = ct.array[box], lungs.array[box], opacities.labels.array[box]
    fewer, reach, more = (mask[box] for mask in (opacities.fewer, opacities.reach, opacities.more))
    zones = zones_of(sides)
    smaller, larger = _shrunk(zones), _grown(zones)
    volume = ct.geometry.voxel_volume
    found = _of_regions(zones, labels > 0, (labels > 0) & (hu > HIGH_OPACITY), labels == CONSOLIDATION, volume)
    others = [
        _of_regions(regions, mask, mask & (hu > HIGH_OPACITY + moved), labels == CONSOLIDATION, volume)
        for regions, mask, moved in (
            (zones, fewer, MOVED),
            (zones, more, -MOVED),
            (smaller, reach, 0),
            (larger, reach, 0),
        )
    ]
    _add_intervals(found, others)
    return found | _places(labels > 0, sides) | {"healthy_hu": opacities.healthy_hu}


def zones_of(sides: np.ndarray) -> np.ndarray:
    """The number of the zone of each voxel of the lungs, from 1 on in the order of `ZONES`; 0 elsewhere.

    Parameters
    ----------
    sides : ndarray of shape (z, y, x)
        1 right lung, 2 left lung.
    """
    zones = np.zeros(sides.shape, np.uint8)
    for number, label in enumerate(SIDES.values()):
        lung = sides == label
        areas = np.count_nonzero(lung, axis=(1, 2))
        if not areas.any():
            continue
        levels = np.flatnonzero(areas >= BASE * areas.max())
        from_apex = (levels[-1] - np.arange(len(areas))) / max(levels[-1] - levels[0] + 1, 1)
        third = np.clip((3 * from_apex).astype(int), 0, 2).astype(np.uint8)
        zones += lung * (third[:, None, None] + np.uint8(1 + 3 * number))
    return zones


def score_of(share: float) -> int:
    """The score of a zone by its share of opacities: 0 none, then 1 to 4 for each quarter."""
    return 0 if share < TRACE else 1 + sum(share > limit for limit in SCORES)


def _of_regions(
    zones: np.ndarray, mask: np.ndarray, high: np.ndarray, consolidation: np.ndarray, volume: float
) -> dict[str, Any]:
    counts = {
        name: np.bincount(zones[part].ravel(), minlength=len(ZONES) + 1)[1:]
        for name, part in (
            ("lung", slice(None)),
            ("opacity", mask),
            ("high", high & mask),
            ("dense", consolidation & mask),
        )
    }
    parts = {"both": slice(0, 6), "right": slice(0, 3), "left": slice(3, 6)}
    found: dict[str, Any] = {}
    for side, part in parts.items():
        lung, opacity, high_opacity, dense = (int(count[part].sum()) for count in counts.values())
        found[side] = {
            "opacity_ml": round(opacity * volume, 1),
            "ground_glass_ml": round((opacity - dense) * volume, 1),
            "consolidation_ml": round(dense * volume, 1),
            "opacity": _value(opacity, lung),
            "high_opacity": _value(high_opacity, lung),
        }
    found["zones"] = {}
    for name, lung, opacity in zip(ZONES, counts["lung"], counts["opacity"], strict=True):
        share = _value(int(opacity), int(lung))
        found["zones"][name] = {"opacity": share, "score": None if share is None else score_of(share["share"])}
    scores = [zone["score"] for zone in found["zones"].values() if zone["score"] is not None]
    found["score"] = {"sum": sum(scores), "of": 4 * len(scores)}
    return found


def _value(part: int, whole: int) -> dict[str, float] | None:
    return {"share": round(part / whole, 4)} if whole else None


def _add_intervals(found: dict[str, Any], others: list[dict[str, Any]]) -> None:
    """Add the least and the most of each share, and of the score, to measures."""
    for part in ("both", "right", "left"):
        for name in ("opacity", "high_opacity"):
            _add_interval(found[part][name], [other[part][name] for other in others], "share")
    for name, zone in found["zones"].items():
        _add_interval(zone["opacity"], [other["zones"][name]["opacity"] for other in others], "share")
    _add_interval(found["score"], [other["score"] for other in others], "sum")


def _add_interval(value: dict[str, float] | None, others: list[Mapping[str, float] | None], key: str) -> None:
    if value is not None:
        values = [value[key], *(other[key] for other in others if other is not None)]
        value |= {"low": min(values), "high": max(values)}


def _shrunk(zones: np.ndarray) -> np.ndarray:
    """Zones without the voxels that have a face to the outside of the lungs."""
    outside = zones == 0
    edge = outside.copy()
    for axis in range(3):
        along, given = np.moveaxis(edge, axis, 0), np.moveaxis(outside, axis, 0)
        along[1:] |= given[:-1]
        along[:-1] |= given[1:]
    return np.where(edge, 0, zones)


def _grown(zones: np.ndarray) -> np.ndarray:
    """Zones with the voxels that share a face with them."""
    grown = zones.copy()
    for axis in range(3):
        along, given = np.moveaxis(grown, axis, 0), np.moveaxis(zones, axis, 0)
        for here, there in ((np.s_[1:], np.s_[:-1]), (np.s_[:-1], np.s_[1:])):
            along[here] = np.where(along[here] == 0, given[there], along[here])
    return grown


def _nowhere() -> dict[str, float | None]:
    return dict.fromkeys(("peripheral", "posterior", "at_the_back"))


def _places(mask: np.ndarray, sides: np.ndarray) -> dict[str, float | None]:
    """Shares of the opacities in the periphery, in the posterior half of the lungs and in the last fifth of them."""
    if not mask.any():
        return _nowhere()
    lung = sides > 0
    front, back = np.interp([0.01, 0.99], *_cumulated(lung))
    rows = np.count_nonzero(mask, axis=(0, 2))
    behind = (np.arange(len(rows)) - front) / max(back - front, 1)
    coarse = np.s_[::STEP, ::STEP, ::STEP]
    periphery = _periphery(lung[coarse])
    return {
        "peripheral": round(float(np.mean(periphery[mask[coarse]])), 4) if mask[coarse].any() else None,
        "posterior": round(float(rows[behind > 0.5].sum() / rows.sum()), 4),
        "at_the_back": round(float(rows[behind > 0.8].sum() / rows.sum()), 4),
    }


def _cumulated(lung: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The share of the lungs up to each row from front to back, and the rows."""
    shares = np.cumsum(np.count_nonzero(lung, axis=(0, 2)))
    return shares / shares[-1], np.arange(len(shares))


def _periphery(lung: np.ndarray) -> np.ndarray:
    """What is near the chest wall or the diaphragm; the mediastinum between the lungs is neither."""
    from scipy import ndimage

    between = with_mediastinum(lung)
    return lung & (ndimage.distance_transform_edt(np.pad(between, 1), sampling=STEP)[1:-1, 1:-1, 1:-1] <= PERIPHERY)
