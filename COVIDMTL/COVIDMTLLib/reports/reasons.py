"""What contributed to the verdicts, as the report draws it."""

from __future__ import annotations

from typing import Any

from ..prediction.verdicts import in_words

SUMS = {
    "ct_features": "The CT's features, all together",
    "age_and_sex": "Age and sex",
    "laboratory_values": "Laboratory values, all together",
    "not_measured": "That others were not measured",
}
"""Titles of ``contribution_sums``."""

LEADING = 5
"""Inputs that are drawn for each task."""


def reasons(tasks: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The contributions of those tasks of a result that have them.

    Returns
    -------
    list of dict
        ``title`` and ``verdict`` of the task; ``sums`` and ``leading``, bars of ``title``, ``value`` in words,
        ``contribution`` and ``width`` (in % of the track, of which half is on either side).
    """
    found = []
    for task in tasks.values():
        if "contributions" not in task:
            continue
        sums = [
            {"title": SUMS[name], "value": "", "contribution": value}
            for name, value in task["contribution_sums"].items()
            if value
        ]
        leading = [
            {"title": one["title"], "value": _in_words(one), "contribution": one["contribution"]}
            for one in task["contributions"][:LEADING]
        ]
        for bars in (sums, leading):
            longest = max((abs(bar["contribution"]) for bar in bars), default=0) or 1
            for bar in bars:
                bar["width"] = 50 * abs(bar["contribution"]) / longest
        found.append({"title": task["title"], "verdict": in_words(task), "sums": sums, "leading": leading})
    return found


def _in_words(one: dict[str, Any]) -> str:
    if one["name"] == "sex":
        return "male" if one["value"] else "female"
    return f"{one['value']:.4g} {one['unit']}".strip()
