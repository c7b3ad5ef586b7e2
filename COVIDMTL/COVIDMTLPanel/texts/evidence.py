"""What a CT speaks for at a site that the model has not seen, as rich text: in place of the bars of probabilities."""

from __future__ import annotations

from html import escape
from typing import Any

from slicer.i18n import tr as _

from .rich_text import BAR, bar_row, bars_html, table_html

HEADING = '<p style="margin-top: 5px; margin-bottom: 1px">'
CLOSE = '<p style="margin-top: 3px; margin-bottom: 1px">'


def evidence_html(task: dict[str, Any]) -> str:
    """A task with its likelihood ratio, where the case stands, and the probabilities after the CT."""
    found = task["evidence"]
    stable = task.get("stability", {"stable": True})["stable"]
    unstable = "" if stable else f" ({_('not stable')})"  # by what is among the warnings
    parts = [f"{HEADING}<b>{escape(task['title'])}: {_('the CT')} {escape(task['verdict'])}{unstable}</b></p>"]
    parts.append(bars_html(_standing(task["classes"], found)))
    text = _("Likelihood ratio <b>{ratio:.2g}</b>, 95 % interval {low:.2g} to {high:.2g}").format(**_ratio(found))
    parts.append(f"{CLOSE}{text}</p>")
    measures = task.get("measures", ())
    if not measures:  # the report has both
        parts.append(_after_html(found["after"]))
    for one in measures:
        text = _("{title}: {value:.0f} {unit}, which {says}; ratio {ratio:.2g} ({low:.2g} to {high:.2g})").format(
            title=one["title"],
            value=one["value"],
            unit=one["unit"],
            says=one["evidence"]["says"],
            **_ratio(one["evidence"]),
        )
        parts.append(f"{CLOSE}{escape(text)}</p>")
    return "".join(parts)


def _after_html(after: list[dict[str, Any]]) -> str:
    rows = [
        [_percent(one["before"]), _percent(one["probability"]), f"{_percent(one['low'])} - {_percent(one['high'])}"]
        for one in after
    ]
    return table_html([_("Before the CT"), _("After it"), _("Interval")], rows)


def reason_html(title: str, reason: str) -> str:
    """Why there is no verdict, in place of one."""
    return f"{HEADING}<b>{escape(title)}</b></p>{CLOSE}{escape(reason)}</p>"


def unseen_html(card: dict[str, Any]) -> str:
    """What a model reaches at a hospital that was not in its training; empty if its card does not say."""
    if "unseen" not in card:
        return ""
    rows = [
        [row["where"], *(f"{row['auc'][task['name']]['auc']:.2f}" for task in card["tasks"])] for row in card["unseen"]
    ]
    return table_html([_("AUC at a hospital unseen"), *(task["title"] for task in card["tasks"])], rows)


def _standing(classes: list[str], found: dict[str, Any]) -> list[str]:
    rows = []
    for name, key in zip(classes, ("negatives", "positives"), strict=True):
        label = _("above {share:.0%} of {cases} {name}").format(
            share=found[f"{key}_below"], cases=found["cases"][key], name=name
        )
        rows.append(bar_row(escape(label), found[f"{key}_below"], "", BAR, label_width=55))
    return rows


def _ratio(found: dict[str, Any]) -> dict[str, float]:
    return {
        "ratio": found["likelihood_ratio"],
        "low": found["likelihood_ratio_low"],
        "high": found["likelihood_ratio_high"],
    }


def _percent(share: float) -> str:
    return "<1 %" if share < 0.01 else ">99 %" if share > 0.99 else f"{100 * share:.0f} %"
