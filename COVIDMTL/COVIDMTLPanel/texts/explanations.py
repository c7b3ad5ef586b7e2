"""What a verdict rests on as rich text: what is known of the patient, the prediction set, what counted most."""

from __future__ import annotations

from html import escape
from typing import Any

from COVIDMTLLib.patient.laboratory import LABORATORY
from COVIDMTLLib.patient.patient import SEXES
from slicer.i18n import tr as _

from .rich_text import AGAINST_BAR, MARKS, OUTSIDE, VERDICT_BAR, bar_row, bars_html

CLOSE = '<p style="margin-top: 3px; margin-bottom: 1px">'
"""Begins a paragraph that belongs to what is above it."""

MOST_CONTRIBUTIONS, MOST_LABS = 5, 8
"""How many contributions of a task, and laboratory values outside normal, are shown; the tables have all."""


def patient_words(age: float | None, sex: str | None, number_of_labs: int) -> str:
    """What is known of a patient in a few words; empty if nothing is."""
    words = [] if age is None else [_("{age} years").format(age=f"{age:g}")]
    if sex is not None:
        words.append({"female": _("female"), "male": _("male")}[sex])
    if number_of_labs:
        text = _("1 laboratory value") if number_of_labs == 1 else _("{number} laboratory values")
        words.append(text.format(number=number_of_labs))
    return ", ".join(words)


def patient_html(patient: dict[str, Any] | None) -> str:
    """What an assessment was given of a patient, with the laboratory values outside normal; empty if nothing.

    Parameters
    ----------
    patient : dict or None
        As ``assessment.json`` has it.
    """
    if not patient:
        return ""
    words = patient_words(patient["age"], patient["sex"], len(patient["labs"]))
    if not words:
        return ""
    text = f"<p><b>{_('Given of the patient')}:</b> {escape(words)}"
    outside = [_lab(name, value) for name, value in patient["labs"].items() if LABORATORY[name].side(value)]
    if outside:
        more = len(outside) - MOST_LABS
        rest = [_("{number} more").format(number=more)] if more > 0 else []
        text += f"<br/>{_('Outside normal')}: {', '.join([*outside[:MOST_LABS], *rest])}"
    return text + "</p>"


def prediction_set_html(task: dict[str, Any]) -> str:
    """The classes that the true one is among with a stated coverage; empty if the model gives no such set."""
    if "prediction_set" not in task:
        return ""
    chosen = task["prediction_set"]
    classes = _(" or ").join(chosen["classes"])
    words = classes or _("none fits, this case is unlike all that the model was trained on")
    title = _("{coverage} % set").format(coverage=f"{100 * chosen['coverage']:.0f}")
    return f"{CLOSE}{title}: {escape(words)}</p>"


def contributions_html(task: dict[str, Any]) -> str:
    """What counted most for the verdict of a task and against it, as bars; empty if the model does not say.

    A bar is as long as the contribution beside the largest of the task.
    """
    leading = task.get("contributions", [])[:MOST_CONTRIBUTIONS]
    largest = max((abs(one["contribution"]) for one in leading), default=0)
    if not largest:
        return ""
    rows = []
    for one in leading:
        amount = one["contribution"]
        colour = VERDICT_BAR if amount > 0 else AGAINST_BAR
        rows.append(bar_row(_with_value(one), abs(amount) / largest, f"{amount:+.2f}", colour, label_width=60))
    title = _("What counted most: for (+) and against (-) this verdict")
    return f"{CLOSE}{title}</p>{bars_html(rows)}{_sums_html(task.get('contribution_sums', {}))}"


def _sums_html(sums: dict[str, float]) -> str:
    titles = {
        "ct_features": _("CT"),
        "age_and_sex": _("age and sex"),
        "laboratory_values": _("laboratory values"),
        "not_measured": _("what was not measured"),
    }
    words = ", ".join(f"{title} {sums[name]:+.2f}" for name, title in titles.items() if name in sums)
    return f"{CLOSE}{_('In sum: {sums}').format(sums=words)}</p>" if words else ""


def _with_value(contribution: dict[str, Any]) -> str:
    value, unit = contribution["value"], contribution["unit"]
    if contribution["name"] == "sex":
        shown = next(sex for sex, number in SEXES.items() if number == value)
    else:
        shown = f"{value:.4g} {unit}".strip()
    title = contribution["title"]
    return escape(f"{title[:1].upper()}{title[1:]}: {shown}")


def _lab(name: str, value: float) -> str:
    lab = LABORATORY[name]
    shown = f"{MARKS[lab.side(value)]} {name} {value:.6g} {lab.unit}".strip()
    return f'<span style="color: {OUTSIDE}; white-space: nowrap">{escape(shown)}</span>'
