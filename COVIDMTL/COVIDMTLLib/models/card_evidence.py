"""What a model card says of where its results hold, and what they are worth elsewhere. None of it has to be there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..features.names import FEATURE_NAMES

METHODS = ("robust", "active-contour", "classical")
"""Those of `methods.METHODS`, which takes long to import."""

LISTS = ("logits", "log_ratio", "log_ratio_low", "log_ratio_high", "negatives", "positives")


def senseless_evidence(card: dict[str, Any], takes_features: bool) -> str | None:
    """The first key that no result could be made with; None if all can.

    Parameters
    ----------
    card : dict
        With tasks and features that are as they should be.
    takes_features : bool
        Whether the model sees features, without which there is no evidence.
    """
    checks = {
        "site": isinstance(card.get("site", ""), str),
        "trained_at": isinstance(card.get("trained_at", ""), str),
        "lungs": "lungs" not in card or card["lungs"] in METHODS,
        "largest_slice_thickness_mm": _thickness(card, takes_features),
        "not_given": _texts(card.get("not_given", []), ("title", "reason")),
        "evidence": "evidence" not in card or (takes_features and _of_tasks(card)),
        "measures": _measures(card.get("measures", {})),
    }
    return next((key for key, sound in checks.items() if not sound), None)


def _thickness(card: dict[str, Any], takes_features: bool) -> bool:
    if "largest_slice_thickness_mm" not in card:
        return True
    return _number(card["largest_slice_thickness_mm"]) and takes_features and "lungs" in card


def _of_tasks(card: dict[str, Any]) -> bool:
    found = card["evidence"]
    return (
        isinstance(found, dict)
        and found.keys() == {task["name"] for task in card["tasks"]}
        and all(len(task["classes"]) == 2 for task in card["tasks"])
        and all(map(_is_evidence, found.values()))
    )


def _measures(found: Any) -> bool:
    if not isinstance(found, dict) or not all(isinstance(of_task, list) for of_task in found.values()):
        return False
    return all(
        _texts([one], ("name", "title", "unit"))
        and one["name"] in FEATURE_NAMES
        and _number(one.get("offset"))
        and _is_evidence(one.get("evidence"))
        for of_task in found.values()
        for one in of_task
    )


def _is_evidence(found: Any) -> bool:
    """Whether it is what `likelihood_ratio.describe` gives."""
    if not isinstance(found, dict) or not all(isinstance(found.get(key), list) and found[key] for key in LISTS):
        return False
    if not all(_number(value) for key in LISTS for value in found[key]):
        return False
    cases = found.get("cases")
    counted = isinstance(cases, dict) and all(type(cases.get(key)) is int for key in ("negatives", "positives"))
    return counted and len({len(found[key]) for key in LISTS[:4]}) == 1 and bool(np.all(np.diff(found["logits"]) >= 0))


def _texts(rows: Any, keys: tuple[str, ...]) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, dict) and all(isinstance(row.get(key), str) for key in keys) for row in rows
    )


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))
