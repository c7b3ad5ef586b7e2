"""Changes in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .change import MEASURES, NO_CHANGE, Measure

SHOWN = ("both_opacity_share", "both_high_opacity_share", "score", "both_lung_ml")
"""Measures that are told first."""

BY_KEY = {one.key: one for one in MEASURES}


def number(measure: Measure, value: float, signed: bool = False) -> str:
    """A value as it is shown, without its unit; shares in hundredths."""
    sign, digits = "+" if signed else "", 1 if measure.unit == "%" else 0
    shown = round(100 * value if measure.unit == "%" else value, digits) + 0.0  # which makes 0 of -0
    return f"{shown:{sign}.{digits}f}"


def unit(measure: Measure, of_change: bool = False) -> str:
    """The unit of a measure, or of its change, which of shares is points."""
    if measure.unit == "%":
        return " points" if of_change else " %"
    return f" {measure.unit}" if measure.unit else ""


def in_words(result: Mapping[str, Any]) -> str:
    """A follow-up in a few lines of text."""
    lines = [f"{place}. {_called(ct)}: {ct['in_words']}" for place, ct in enumerate(result["cts"], 1)]
    for change in result["changes"]:
        lines.append(f"From {change['from'] + 1} to {change['to'] + 1}:")
        lines += [f"  {text}" for key in SHOWN if (text := _line(BY_KEY[key], change["measures"][key]))]
    return "\n".join(lines)


def _line(measure: Measure, change: Mapping[str, Any] | None) -> str:
    if change is None:
        return ""
    said = f"{number(measure, change['change'], True)}{unit(measure, True)}"
    ends = " to ".join(number(measure, change[end], True) for end in ("low", "high"))
    return f"{measure.title}: {change['verdict']} ({said}, {ends})"


def _called(ct: Mapping[str, Any]) -> str:
    return f"{ct['name']}, {ct['made'][:10]}" if ct["made"] else ct["name"]


def style_of(change: Mapping[str, Any]) -> str:
    """The style of a change: more, less, same."""
    if change["verdict"] == NO_CHANGE:
        return "same"
    return "more" if change["change"] > 0 else "less"


def arrow_of(change: Mapping[str, Any]) -> str:
    """An arrow up or down for what has changed, so that it is told without colours, too."""
    return {"more": "↑ ", "less": "↓ ", "same": ""}[style_of(change)]
