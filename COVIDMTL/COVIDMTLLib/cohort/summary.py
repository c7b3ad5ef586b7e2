"""The summary of a cohort: one self-contained HTML page."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from ..prediction.likelihood_ratio import AGAINST, FOR, NOTHING
from ..utils.plot_style import default_style
from ..utils.version import RESEARCH_USE_ONLY, __version__
from . import histograms
from .folder import IMAGE_SUFFIXES
from .outcome import Outcome
from .outliers import FEWEST, MEASURES, MOST, column, outliers

TEMPLATE = "summary.html.jinja"

FILE = re.compile(rf"\S+(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})")
"""What a file with an image is called, in a sentence."""

NAMED, REASONS = 100, 50
"""Cases that are named for each reason of failure, and reasons that are; the table has all."""


@default_style()
def write_summary(outcomes: Sequence[Outcome], total: int, cases: str, path: Path) -> None:
    """Write the summary of a cohort as HTML, with pictures and style inside the page.

    Parameters
    ----------
    outcomes : sequence of Outcome
        Of the cases that have come to an end.
    total : int
        How many cases there are.
    cases : str
        Where the folders of the cases are, seen from the page.
    path : Path
    """
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    environment.filters["report"] = lambda case: f"{cases}/{quote(case)}/report.html"
    assessed = [outcome for outcome in outcomes if not outcome.error]
    rows = [outcome.row for outcome in assessed]
    page = environment.get_template(TEMPLATE).render(
        counts=_counts(outcomes, total),
        seconds=float(np.median([outcome.seconds for outcome in assessed])) if assessed else None,
        failures=_reasons([outcome.row for outcome in outcomes if outcome.error], "error"),
        no_verdict=_reasons([outcome.row for outcome in assessed if outcome.row.get("no_verdict")], "no_verdict"),
        named=NAMED,
        reasons=REASONS,
        measures=_measures(rows),
        tasks=_tasks(assessed),
        outliers=outliers(rows),
        few=len(rows) < FEWEST,
        most=MOST,
        made_with=[
            {"cases": number} | json.loads(made_with)
            for made_with, number in Counter(outcome.made_with for outcome in assessed).most_common()
        ],
        research_use_only=RESEARCH_USE_ONLY,
        version=__version__,
        date=datetime.now().astimezone().strftime("%d %B %Y, %H:%M"),
    )
    path.write_text(page, encoding="utf-8")


def _counts(outcomes: Sequence[Outcome], total: int) -> dict[str, int]:
    failed = sum(bool(outcome.error) for outcome in outcomes)
    warned = sum(bool(outcome.row.get("warnings")) for outcome in outcomes)
    return {
        "cases": total,
        "assessed": len(outcomes) - failed,
        "failed": failed,
        "without": sum(bool(outcome.row.get("no_verdict")) for outcome in outcomes),
        "left": total - len(outcomes),
        "warned": warned,
    }


def _reasons(rows: Sequence[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The reasons in a column, the most frequent first; what differs by the names of cases and files alone is one."""
    reasons: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        reasons.setdefault(FILE.sub("…", row[key]).replace(row["case"], "…"), []).append(row)
    found = [
        {"reason": alike[0][key] if len(alike) == 1 else reason, "cases": [row["case"] for row in alike]}
        for reason, alike in reasons.items()
    ]
    return sorted(found, key=lambda one: -len(one["cases"]))


def _measures(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for measure in MEASURES:
        values = column(rows, measure.column)
        values = values[np.isfinite(values)]
        if not len(values) or measure.column == "warnings":
            continue
        low, middle, high = (measure.form.format(value) for value in np.quantile(values, (0.05, 0.5, 0.95)))
        picture = histograms.histogram(values, measure.unit)
        found.append({"title": measure.title, "low": low, "median": middle, "high": high, "picture": picture})
    return found


def _tasks(assessed: Sequence[Outcome]) -> list[dict[str, Any]]:
    """How often each verdict was given, and how the probabilities are distributed, of each task."""
    titles: dict[str, str] = {}
    for outcome in assessed:
        titles = outcome.titles | titles
    found = []
    for task, title in titles.items():
        rows = [outcome.row for outcome in assessed if task in outcome.row]
        ratio, prefix = f"{task}: likelihood ratio", f"{task}: "
        if any(ratio in row for row in rows):
            found.append(_evidence(title, task, [row for row in rows if ratio in row], ratio))
            rows = [row for row in rows if ratio not in row]
            if not rows:
                continue
        classes = list(dict.fromkeys(key.removeprefix(prefix) for row in rows for key in row if key.startswith(prefix)))
        given = Counter(row[task] for row in rows)
        said = sorted(given, key=lambda one: next((n for n, name in enumerate(classes) if one.startswith(name)), 0))
        verdicts = [{"name": name, "cases": given[name], "share": given[name] / len(rows)} for name in said]
        by_class = {name: column(rows, prefix + name) for name in classes}
        shown = {
            name: values[np.isfinite(values)]
            for name, values in list(by_class.items())[-1 if len(classes) == 2 else 0 :]
        }
        of = classes[-1] if len(classes) == 2 else ""
        of = f"Probability of {of}" if of else "Probability of each class"
        found.append({"title": title, "verdicts": verdicts, "of": of, "picture": histograms.probabilities(shown)})
    return found


def _evidence(title: str, task: str, rows: Sequence[dict[str, Any]], ratio: str) -> dict[str, Any]:
    """How often CTs spoke for and against something, and how the likelihood ratios are distributed."""
    given = Counter(row[task] for row in rows)
    verdicts = [
        {"name": f"CT {name}", "cases": given[name], "share": given[name] / len(rows)}
        for name in (AGAINST, NOTHING, FOR)
    ]
    unstable = sum(row[f"{task}: stable"] == "no" for row in rows)
    of = "Likelihood ratio" + (f"; not stable in {unstable}" if unstable else "")
    return {"title": title, "verdicts": verdicts, "of": of, "picture": histograms.ratios(column(rows, ratio))}
