"""What a change does to convergence and to test AUC: paired differences over seeds, and sentences about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from COVIDMTLLib.networks.losses import MISSING
from COVIDMTLLib.utils.errors import InputError
from statsmodels.stats.weightstats import DescrStatsW

from ..evaluation.metrics import classification_metrics
from ..evaluation.predictions import CLASSES, Predictions, read
from ..utils.tables import PUBLISHED
from .plan import TITLES, Comparison
from .runs import Study


class Measure(NamedTuple):
    """What a measure is called, its digits to show, and what it is where the difference is above or below 0."""

    title: str
    digits: int = 3
    words: tuple[str, str] = ("higher", "lower")


MEASURES = {
    "auc": Measure("test AUC"),
    **{f"auc_{task}": Measure(f"test AUC, {title}") for task, title in TITLES.items()},
    "accuracy": Measure("test accuracy"),
    "loss_end": Measure("test loss after the last epoch"),
    "loss_mean": Measure("mean test loss over all epochs"),
    "loss_jumps": Measure("change of the test loss from one epoch to the next"),
    "epochs": Measure("epochs until the test loss is at the lowest level that all reach", 1, ("more", "fewer")),
}
"""Measures of a run; of several tasks ``auc`` and ``accuracy`` are the mean, and ``auc_TASK`` is there too."""

NOTHING = "no difference shown"


def effects(study: Study, comparisons: Iterable[Comparison]) -> pd.DataFrame:
    """Differences between runs that differ in one thing.

    Returns
    -------
    DataFrame
        A row for each comparison and measure: ``figure``, ``what``, ``where``, ``measure``; ``changed`` and
        ``against``, the means of the two; ``difference``, its mean over the seeds, with ``low`` and ``high``, the ends
        of the 95 % interval by the paired t-test, NaN with one seed; ``seeds``, their number; ``published``, the
        difference that the paper gives; ``by_seed``, a tuple of the differences; ``headline``.

    Raises
    ------
    InputError
        If test rows have no two classes, or those of two runs have no case in common.
    """
    return pd.DataFrame([row for comparison in comparisons for row in _effects(study, comparison)])


def log_of(folder: Path) -> pd.DataFrame:
    """The log of a finished run, a row for each epoch."""
    return pd.read_csv(folder / "log.csv")


def guessing(tasks: Iterable[str]) -> float:
    """The mean over tasks of the cross-entropy of saying that all classes are equally likely."""
    return float(np.mean([np.log(len(CLASSES[task])) for task in tasks]))


def predictions_of(folders: Sequence[Path]) -> tuple[list[Predictions], np.ndarray]:
    """The predictions of finished runs, and the test cases that they have in common."""
    found = [read(folder / "predictions.csv") for folder in folders]
    cases = found[0].pids.astype(str)
    for one in found[1:]:
        cases = np.intersect1d(cases, one.pids.astype(str))
    return found, cases


def measure(found: Predictions, task: str, cases: np.ndarray) -> dict[str, float]:
    """`metrics.classification_metrics` of a task on some of the cases of predictions, as far as they have labels."""
    labels, probabilities = found.labels[task], found.probabilities[task]
    known = (labels != MISSING) & np.isin(found.pids.astype(str), cases)
    if len(set(labels[known])) < probabilities.shape[1]:
        raise InputError(f"The test cases that are compared are not of every class of {task}; more are needed.")
    return classification_metrics(labels[known], probabilities[known])


def finding(row: pd.Series, level: str = "") -> str:
    """A difference with its interval and what it shows, such as ``+0.010 (-0.020 to +0.040): no difference shown``."""
    value, low, high = _rounded(row)
    digits = MEASURES[row.measure].digits
    if np.isnan(low):
        return f"{value:+.{digits}f} (1 seed, no interval)"
    return f"{value:+.{digits}f} ({level}{low:+.{digits}f} to {high:+.{digits}f}): {verdict(row)}"


def verdict(row: pd.Series) -> str:
    """What the interval of a difference shows, as it is printed; one of equal differences, without width, nothing."""
    above, below = MEASURES[row.measure].words
    _, low, high = _rounded(row)
    if not row.low < row.high or low <= 0 <= high:
        return NOTHING
    return above if low > 0 else below


def sentence(row: pd.Series) -> str:
    """A difference as a sentence, with the two means, and what the paper found."""
    one = MEASURES[row.measure]
    means = f"{row.changed:.{one.digits}f} against {row.against:.{one.digits}f}"
    paper = "" if np.isnan(row.published) else f"; paper {row.published:+.3f}"
    return f"{one.title} {finding(row, '95 % ')} ({means}{paper})"


def _rounded(row):
    return (
        round(value, MEASURES[row.measure].digits) + 0.0 for value in (row.difference, row.low, row.high)
    )  # no -0.0


def _effects(study, comparison):
    level = _level(study, comparison) if comparison.curves else np.nan
    found = []
    for pair in comparison.pairs:
        by_seed = [_measures(study, comparison, runs, level) for runs in zip(*map(study.runs, pair), strict=True)]
        found.append(pd.concat(by_seed, keys=study.config["seeds"], names=["seed", "measure"]))
    for name, values in pd.concat(found).groupby("measure", sort=False):
        if values.index.get_level_values("seed").value_counts().max() < len(comparison.pairs):
            continue  # not of every pair
        means = values.groupby("seed").mean()
        differences = means.changed - means.against
        low, high = DescrStatsW(differences).tconfint_mean() if len(differences) > 1 else (np.nan, np.nan)
        yield {
            "figure": comparison.figure,
            "what": comparison.what,
            "where": comparison.where,
            "measure": name,
            "changed": means.changed.mean(),
            "against": means.against.mean(),
            "difference": differences.mean(),
            "low": low,
            "high": high,
            "seeds": len(differences),
            "published": _published(comparison, name),
            "by_seed": tuple(differences),
            "headline": comparison.headline,
        }


def _measures(study, comparison, runs, level):
    """The measures of two runs: a row a measure, columns ``changed`` and ``against``."""
    folders = [study.folder(run) for run in runs]
    found, cases = predictions_of(folders)
    tasks = comparison.tasks or runs[0].cell.tasks
    columns = []
    for folder, one in zip(folders, found, strict=True):
        of_tasks = pd.DataFrame({task: measure(one, task, cases) for task in tasks})
        values = {"auc": of_tasks.loc["auc"].mean()}
        values |= {f"auc_{task}": of_tasks.loc["auc", task] for task in tasks if len(tasks) > 1}
        values["accuracy"] = of_tasks.loc["accuracy"].mean()
        if comparison.curves:
            values |= _of_curve(log_of(folder).test_loss.to_numpy(), guessing(tasks), level)
        columns.append(values)
    return pd.DataFrame(dict(zip(("changed", "against"), columns, strict=True)))


def _of_curve(losses, guessed, level):
    # Before the batch statistics have settled, losses are thousands, and would be all that a mean is about.
    capped = np.minimum(losses, guessed)
    return {
        "loss_end": losses[-1],
        "loss_mean": capped.mean(),
        "loss_jumps": np.abs(np.diff(capped)).mean() if len(losses) > 1 else 0.0,
        "epochs": _epochs_until(losses, level),
    }


def _epochs_until(losses, level):
    """When a curve first is at a level, between two epochs by a straight line; no sooner than the first epoch."""
    first = int(np.argmax(losses <= level))
    if not first:
        return 1.0
    before, after = losses[first - 1 : first + 1]
    return first + (before - level) / (before - after)


def _level(study, comparison):
    """The lowest loss that every run of a comparison reaches at some time."""
    runs = (run for pair in comparison.pairs for cell in pair for run in study.runs(cell))
    return max(log_of(study.folder(run)).test_loss.min() for run in runs)


def _published(comparison, name):
    tasks = comparison.tasks or comparison.pairs[0][0].tasks
    task = name.removeprefix("auc_") if name.startswith("auc_") else tasks[0] if len(tasks) == 1 else None
    if comparison.published is None or task is None or not name.startswith("auc"):
        return np.nan
    found = [PUBLISHED[table].get(task, {}).get(model, {}).get("auc", np.nan) for table, model in comparison.published]
    return found[0] - found[1]
