"""The command ``covid-mtl calibrate``: a site makes the model its own."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..architectures.kernel_ridge import KernelRidge
from ..cohort.output import CASES
from ..features.names import FEATURE_NAMES, values_of
from ..models.feature_scaling import scale
from ..models.model import Model
from ..models.store import load_model, save_model
from ..patient.table import by_case
from ..prediction import site_calibration
from ..prediction.site_calibration import LocalCases
from ..utils import atomic_files
from ..utils.csv_tables import read_rows
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.text import printable, shortened
from ..utils.version import RESEARCH_USE_ONLY
from .options import add_end_with_input

if TYPE_CHECKING:
    from ..architectures.numpy_networks import Weights

HELP = "make the model one of a site's own, from a cohort's results and labels of some of its cases"

BASE = "transportable"

SEVERE = {"0": 0, "1": 0, "2": 1}
"""What the cohort's column ``severity`` says of the task ``severe``."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """What the command can be told."""
    parser.add_argument("cohort", type=Path, metavar="COHORT", help="folder that covid-mtl cohort wrote")
    parser.add_argument(
        "labels",
        type=Path,
        metavar="LABELS",
        help="CSV with the columns case and covid_ct, and severe or severity: 0, 1 (2) or the names of the classes, "
        f"empty where not known; {site_calibration.MIN_INTERCEPT} cases at least",
    )
    parser.add_argument("--out", type=Path, metavar="MODEL", required=True, help="folder for the model; a new one")
    parser.add_argument("--site", metavar="TEXT", help="what the site is called (default: the name of the model)")
    parser.add_argument("--model", default=BASE, metavar="NAME|PATH", help="what to start from (default: %(default)s)")
    add_end_with_input(parser)


def calibrate(options: argparse.Namespace) -> None:
    """Make a model of a site, and say what it is worth there."""
    for line in calibrate_site(options.cohort, options.labels, options.out, options.site, options.model):
        print(printable(line))
    print(RESEARCH_USE_ONLY)


def calibrate_site(
    cohort: str | Path, labels: str | Path, out: str | Path, site: str | None = None, model: str | Path = BASE
) -> list[str]:
    """Make a model of a site's own.

    Parameters
    ----------
    cohort : path
        What `run.assess_cohort` wrote, with features of lungs as the model knows them.
    labels : path
        CSV with the columns ``case`` and any of the model's tasks, and ``severity`` of the cohort in place of
        ``severe``.
    out : path
        Folder for the model; there must be none.
    site : str, optional
        What to call the site.
    model : str or path
        A model for unseen sites.

    Returns
    -------
    list of str
        What was found, in sentences.

    Raises
    ------
    InputError
        If the cohort, the labels or the model cannot be used, there are too few labelled cases, or ``out`` is there.
    MissingPackage
        If scikit-learn is not installed.
    """
    require("sklearn.metrics", "sklearn.model_selection")
    out = Path(out)
    if out.exists():
        raise InputError(f"{out} is there already; give the model a new folder.")
    base = load_model(model, "cpu")
    if not isinstance(base.network, KernelRidge) or "evidence" not in base.card:
        raise InputError(f"Model {base.card['name']} is not made to be calibrated; start from {BASE}.")
    names, features, passed = _features(Path(cohort), base)
    known = _labels(Path(labels), base.card)
    missing = [name for name in known if name not in names]
    if missing:
        raise InputError(
            f"{Path(labels).name} has the case {shortened(missing[0])}, which has no verdict in the cohort; correct it."
        )
    x = scale(features, base.card["scaling"])
    truth = np.array([known.get(name, [np.nan] * len(base.card["tasks"])) for name in names], float)
    report = [f"{len(names)} cases with features" + (f", {passed} without a verdict passed over" if passed else "")]
    kind = _kind(x, base.network.weights, report)
    tasks, left_out = _usable(truth, base.card)
    weights = site_calibration.only(base.network.weights, tasks)
    cases = LocalCases(x, truth[:, tasks])
    cases = LocalCases(*(one[~np.isnan(cases.labels).all(axis=1)] for one in cases))
    penalty = base.card["network"]["penalty"]
    fitted, how = site_calibration.calibrate(weights, cases, penalty)
    said = site_calibration.cross_validate(weights, cases, penalty)
    card = _card(base.card, tasks, out.name, site or out.name, len(fitted["cases"]))
    card["calibration"] = {"cases": len(cases.x), "of_the_training_kind": kind, "tasks": {}}
    card["not_given"] = [*base.card.get("not_given", ()), *left_out]
    counted: dict[str, Any] = {"cases": len(cases.x)}
    old = site_calibration.before(weights, cases.x)
    sets: dict[str, Any] = {"coverage": site_calibration.COVERAGE, "without_labs": {}}
    for index, task in enumerate(card["tasks"]):
        is_known = ~np.isnan(cases.labels[:, index])
        y = cases.labels[is_known, index].astype(int)
        then, now = (site_calibration.measures(y, one[is_known, index]) for one in (old, said))
        name = task["name"]
        card["calibration"]["tasks"][name] = {
            "cases": len(y),
            "positive": int(y.sum()),
            "how": how[index],
            "before": then,
            "cross_validated": now,
        }
        counted[name] = now
        sets["without_labs"][name] = site_calibration.sets_of(y, said[is_known, index])
        words = "fitted again with them" if how[index] == "refit" else "its intercept was fitted"
        report.append(
            f"{task['title']}: {len(y)} labelled cases, {y.sum()} {task['classes'][1]}; {words}. AUC "
            f"{then['auc']:.3f} before, {now['auc']:.3f} after (cross-validated); calibration error "
            f"{then['ece']:.3f} before, {now['ece']:.3f} after."
        )
    report += [f"{one['title']}: left out. {one['reason']}" for one in left_out]
    card |= {"metrics": counted, "prediction_sets": sets}
    with atomic_files.staged_folder(out) as folder:
        save_model(folder, card, fitted)
    return [*report, f"Model: {out}"]


def _features(cohort: Path, base: Model) -> tuple[list[str], np.ndarray, int]:
    """Names and features (N, features) of the cases of a cohort that have a verdict, and how many have none."""
    names, rows, passed = [], [], 0
    for file in sorted((cohort / CASES).glob("*/assessment.json")):
        result = json.loads(file.read_text(encoding="utf-8"))
        table = file.parent / "features.csv"
        if result.get("no_verdict") or not table.is_file():
            passed += 1
            continue
        if result.get("features_of") not in (base.card["lungs"], "given"):
            raise InputError(
                f"The features of {file.parent.name} are not of lungs by {base.card['lungs']}, which the model knows; "
                f"assess the cohort again with --model {base.card['name']}."
            )
        header, (values, *_others) = read_rows(table)
        if list(FEATURE_NAMES) != header:
            raise InputError(f"The features.csv of {file.parent.name} has other columns; assess the case again.")
        names.append(file.parent.name)
        rows.append(values_of(dict(zip(header, map(float, values), strict=True)), base.features))
    if not names:
        raise InputError(f"{cohort} holds no case with features; give the folder that covid-mtl cohort wrote.")
    return names, np.array(rows), passed


def _labels(path: Path, card: dict[str, Any]) -> dict[str, list[float]]:
    """Labels of cases by task of a card, NaN where not known."""
    table = by_case(*read_rows(path), path.name)
    found = {}
    for case, row in table.items():
        found[case] = [_label(row, task, case, path.name) for task in card["tasks"]]
    if all(np.isnan(values).all() for values in found.values()):
        names = ", ".join(task["name"] for task in card["tasks"])
        raise InputError(f"{path.name} has no labels in any of the columns {names}; add some.")
    return found


def _label(row: dict[str, str], task: dict[str, Any], case: str, table: str) -> float:
    words = {"0": 0, "1": 1} | {name: number for number, name in enumerate(task["classes"])}
    text = row.get(task["name"], "")
    if task["name"] == "severe" and "severe" not in row and "severity" in row:
        text, words = row["severity"], SEVERE
    if not text:
        return np.nan
    if text not in words:
        raise InputError(f"{table} says {shortened(text)} of {task['name']} of {case}; give {' or '.join(words)}.")
    return float(words[text])


def _kind(x: np.ndarray, weights: Weights, report: list[str]) -> dict[str, Any] | None:
    """Whether cases are of the training's kind, as far as that can be told."""
    if len(x) < site_calibration.MIN_TWO_SAMPLE:
        report.append(
            f"Fewer than {site_calibration.MIN_TWO_SAMPLE} cases: too few to tell whether the training had such ones."
        )
        return None
    p = site_calibration.two_sample_p(x, weights)
    alike = p > site_calibration.LEVEL
    report.append(
        f"The CTs are {'not seen to differ from' if alike else 'of another kind than'} those of the training "
        f"(two-sample test, p {'<' if p < 0.003 else '='} {max(p, 0.003):.3f})."
    )
    return {"p": p, "alike": alike}


def _usable(truth: np.ndarray, card: dict[str, Any]) -> tuple[list[int], list[dict[str, str]]]:
    """The tasks with labels enough, and why others are left out."""
    tasks, left_out = [], []
    for index, task in enumerate(card["tasks"]):
        labels = truth[~np.isnan(truth[:, index]), index].astype(int)
        counts = np.bincount(labels, minlength=2)
        if len(labels) >= site_calibration.MIN_INTERCEPT and counts.min() >= site_calibration.MIN_OF_CLASS:
            tasks.append(index)
            continue
        needed = f"{site_calibration.MIN_INTERCEPT} labelled cases, {site_calibration.MIN_OF_CLASS} of each class"
        has = ", ".join(f"{n} {name}" for n, name in zip(counts, task["classes"], strict=True))
        left_out.append({"title": task["title"], "reason": f"It takes {needed}, and there are {has}."})
    if not tasks:
        raise InputError(" ".join(f"{one['title']}: {one['reason']}" for one in left_out) + " Label more cases.")
    return tasks, left_out


def _card(base: dict[str, Any], tasks: list[int], name: str, site: str, cases: int) -> dict[str, Any]:
    dropped = ("evidence", "measures", "metrics", "cross_validation", "limits", "weights")
    kept = {key: value for key, value in base.items() if key not in dropped}
    chosen = [base["tasks"][index] for index in tasks]
    return kept | {
        "name": name,
        "title": f"{base['title']}, calibrated for {site}",
        "site": site,
        "tasks": chosen,
        "network": base["network"] | {"tasks": chosen, "cases": cases},
        "unseen": [row | {"auc": {one["name"]: row["auc"][one["name"]] for one in chosen}} for row in base["unseen"]],
        "intended_use": (
            f"Research use only, and for CTs of {site} alone, read as those that it was calibrated with. "
            "Its probabilities hold where COVID-19 is as frequent as among these."
        ),
    }
