"""How well models say values: measures with intervals, and a plot of what they say beside what is true."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib import pyplot
from matplotlib.figure import Figure
from scipy.stats import bootstrap, pearsonr
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from ..utils.figures import COLOURS, MM, WIDE
from .predictions import Predictions

RESAMPLES = 2000


def values_of(models: Mapping[str, Predictions]) -> list[str]:
    """Names of the regressions that any of the models has."""
    return list(dict.fromkeys(name for one in models.values() for name in one.values))


def measure_values(models: Mapping[str, Predictions]) -> pd.DataFrame:
    """Measures of predictions on the same rows, by model; see `evaluate.Evaluation.values`."""
    rows = []
    for name in values_of(models):
        for model, (true, said) in _known(models, name).items():
            error = np.abs(said - true)
            row = {"task": name, "model": model, "cases": len(true), "mae": mean_absolute_error(true, said)}
            if len(true) > 1:
                ends = bootstrap((error,), np.mean, n_resamples=RESAMPLES, rng=np.random.default_rng(0))
                row |= {"mae_low": ends.confidence_interval.low, "mae_high": ends.confidence_interval.high}
            row |= {"rmse": root_mean_squared_error(true, said), "bias": float(np.mean(said - true))}
            varied = len(true) > 1 and np.ptp(true) > 0
            row["r2"] = r2_score(true, said) if varied else np.nan
            row["pearson"] = pearsonr(true, said).statistic if varied and np.ptp(said) > 0 else np.nan
            rows.append(row)
    return pd.DataFrame(rows)


def scatter(models: Mapping[str, Predictions]) -> Figure:
    """What each model says of each case beside the true value; a row a model, a column a regression."""
    names = values_of(models)
    size = (min(WIDE, 66 * MM * len(names)), 62 * MM * len(models))
    figure, panels = pyplot.subplots(len(models), len(names), figsize=size, squeeze=False)
    for column, name in zip(panels.T, names, strict=True):
        known = _known(models, name)
        ends = [np.min(next(iter(known.values()))), np.max(next(iter(known.values())))]
        for panel, model in zip(column, models, strict=True):
            if model not in known:
                panel.text(0.05, 0.9, "does not have this value", color="0.5", transform=panel.transAxes)
                continue
            true, said = known[model]
            panel.axline((ends[0], ends[0]), slope=1, color="0.8", linewidth=0.6)
            panel.scatter(true, said, 6, COLOURS[0], linewidths=0)
            panel.set(title=name, xlabel="True value", ylabel=f"{model}\nPredicted value")
            panel.text(
                0.03, 0.97, f"MAE {np.abs(said - true).mean():.3g}", verticalalignment="top", transform=panel.transAxes
            )
    return figure


def _known(models, name):
    """True and predicted values of the rows whose true one is known, by model."""
    found = {}
    for model, one in models.items():
        if name in one.values:
            known = np.isfinite(one.values[name])
            found[model] = one.values[name][known], one.predicted[name][known]
    return found
