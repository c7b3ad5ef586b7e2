"""Results as rich text for labels of a panel: warnings first, verdicts with bars, small tables."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any, NamedTuple

from COVIDMTLLib.prediction.verdicts import in_words
from slicer.i18n import tr as _

from .evidence import evidence_html, reason_html, unseen_html
from .explanations import CLOSE, contributions_html, patient_html, prediction_set_html
from .rich_text import BAR, VERDICT_BAR, bar_row, bars_html, table_html

HEADING = '<p style="margin-top: 5px; margin-bottom: 1px">'
"""Begins the paragraph with the title of a task."""

WARNING, ON_WARNING = "#fff3cd", "#533f03"


class ResultTexts(NamedTuple):
    """An assessment in parts, as rich text; a part that there is not is empty.

    Attributes
    ----------
    warnings : str
    verdicts : str
        With probabilities.
    lungs : str
    reasons : str
        What counted for each verdict.
    patient : str
        What was given of the patient.
    """

    warnings: str = ""
    verdicts: str = ""
    lungs: str = ""
    reasons: str = ""
    patient: str = ""


def results_html(result: dict[str, Any] | None) -> ResultTexts:
    """The texts of an assessment.

    Parameters
    ----------
    result : dict or None
        What ``assessment.json`` holds.
    """
    if result is None:
        return ResultTexts()
    return ResultTexts(
        warnings_html(text for text in result["warnings"] if text != result.get("no_verdict")),
        verdicts_html(result),
        lungs_html(result["lungs"]) + opacities_html(result.get("opacities")),  # nor these
        reasons_html(result),
        patient_html(result.get("patient")),  # which assessments in older scenes do not have
    )


def warnings_html(warnings: Iterable[str]) -> str:
    """Warnings, each in a box of its own; empty text if there are none."""
    row = f'<tr><td bgcolor="{WARNING}" style="color: {ON_WARNING}">&#9888;&nbsp;%s</td></tr>'
    rows = "".join(row % escape(warning) for warning in warnings)
    return f'<table width="100%" cellpadding="4" cellspacing="2">{rows}</table>' if rows else ""


def verdicts_html(result: dict[str, Any]) -> str:
    """Verdict and probabilities of each task as bars, with the prediction set where there is one.

    Parameters
    ----------
    result : dict
        What ``assessment.json`` holds.
    """
    parts = []
    if result.get("no_verdict"):
        parts.append(reason_html(_("No verdict"), result["no_verdict"]))
    for task in result["tasks"].values():
        if "evidence" in task:
            parts.append(evidence_html(task))
            continue
        parts.append(f"{HEADING}<b>{escape(task['title'])}: {escape(in_words(task))}</b></p>")
        bars = [
            _class_row(name, probability, name == task["verdict"])
            for name, probability in zip(task["classes"], task["probabilities"], strict=True)
        ]
        parts += [bars_html(bars), prediction_set_html(task)]
    for one in result.get("not_given", ()):
        parts.append(reason_html(f"{one['title']}: {_('no verdict')}", one["reason"]))
    for one in result.get("regression", {}).values():
        value = f"{one['value']:.4g} {one['unit']}".strip()
        parts.append(f"{HEADING}<b>{escape(one['title'])}: {escape(value)}</b></p>")
    if result["aggregate"]:
        verdict = escape(in_words(result["aggregate"]))
        parts.append(f"{HEADING}<b>{_('Both diagnoses together')}: {verdict}</b></p>")
    return "".join(parts)


def reasons_html(result: dict[str, Any]) -> str:
    """What counted most for the verdict of each task; empty if the model does not say.

    Parameters
    ----------
    result : dict
        What ``assessment.json`` holds.
    """
    parts = []
    for task in result["tasks"].values():
        counted = contributions_html(task)
        if counted:
            parts.append(f"{HEADING}<b>{escape(task['title'])}: {escape(in_words(task))}</b></p>{counted}")
    return "".join(parts)


def lungs_html(lungs: dict[str, Any]) -> str:
    """Volumes, densities and boundary of the lungs, as ``assessment.json`` has them."""
    rows = []
    for side, title in (("right", _("Right")), ("left", _("Left")), ("both", _("Both"))):
        lung = lungs[side]
        shares = (lung["ground_glass_share"], lung["consolidation_share"])
        rows.append([title, f"{lung['volume_ml']:.0f} ml", *("-" if s is None else f"{s:.1%}" for s in shares)])
    caption = _("Lungs and their shares at opacity densities:")
    densities = table_html([_("Lung"), _("Volume"), _("Ground glass"), _("Consolidation")], rows)
    shown = lungs.get("boundary_supported")  # which assessments in older scenes do not have
    inferred = _("Of the boundary of the lungs the CT shows {shown:.0%}; the rest was inferred.")
    below = f"{CLOSE}{inferred.format(shown=shown['both'])}</p>" if shown else ""
    return f"{HEADING}{caption}</p>{densities}{below}"


def opacities_html(measures: dict[str, Any] | None) -> str:
    """Opacities of each lung and the scores of the zones; empty text for an assessment without them."""
    if not measures or measures["both"]["opacity"] is None:
        return ""
    rows = []
    for side, title in (("right", _("Right")), ("left", _("Left")), ("both", _("Both"))):
        lung = measures[side]
        shares = [lung["opacity"], lung["high_opacity"]]
        rows.append(
            [title, f"{lung['opacity_ml']:.0f} ml", *("-" if s is None else f"{s['share']:.1%}" for s in shares)]
        )
    heads = [_("Lung"), _("Opacities"), _("Share"), _("Above -200 HU")]
    zones = []
    for height, title in (("upper", _("Upper")), ("middle", _("Middle")), ("lower", _("Lower"))):
        pair = [measures["zones"][f"{height} {side}"] for side in ("right", "left")]
        zones.append(
            [title, *("-" if z["opacity"] is None else f"{z['opacity']['share']:.0%}: {z['score']}" for z in pair)]
        )
    score = _("Opacities; score of the zones {sum} of {of}").format(**measures["score"])
    if measures.get("corrected"):
        score += _("; corrected by hand, which the report does not show")
    shown = table_html(heads, rows) + table_html([_("Zone: share, score"), _("Right"), _("Left")], zones)
    return f"{HEADING}{score}:</p>{shown}"


def measures_html(measures: dict[str, float]) -> str:
    """Volumes and agreement of a segmentation (see `COVIDMTLMRML.lung_tables.measure_lungs`)."""
    rows = []
    for title, value in measures.items():
        name, _comma, unit = title.partition(", ")
        rows.append([name, f"{value:.0f} {unit}" if unit else f"{value:.4f}"])
    return table_html([], rows)


def card_html(card: dict[str, Any]) -> str:
    """A model card (``model.json``) in a few lines."""
    lines = [f"<b>{escape(card.get('title', card['name']))}</b>, {_('version')} {escape(str(card['version']))}"]
    if card.get("intended_use"):
        lines.append(escape(card["intended_use"]))
    rows = []
    for task in card["tasks"]:
        auc = card.get("metrics", {}).get(task["name"], {}).get("auc")
        rows.append([task["title"], ", ".join(task["classes"]), "-" if auc is None else f"{auc:.3f}"])
    for one in card.get("network", {}).get("regression", []):
        what = _("a value in {unit}").format(unit=one["unit"]) if one["unit"] else _("a value")
        rows.append([one["title"], what, "-"])
    lines.append(unseen_html(card))
    lines.append(table_html([_("Task"), _("Classes"), _("AUC at home")], rows))
    if card.get("license"):
        lines.append(f"{_('License')}: {escape(card['license'])}")
    return "".join(line if line.startswith("<table") else f"<p>{line}</p>" for line in filter(None, lines))


def _class_row(name: str, probability: float, is_verdict: bool) -> str:
    label = f"<b>{escape(name)}</b>" if is_verdict else escape(name)
    return bar_row(label, probability, f"{probability:.1%}", VERDICT_BAR if is_verdict else BAR)
