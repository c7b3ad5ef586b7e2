"""First-order features: the distribution of values, whatever their places."""

from __future__ import annotations

import numpy as np

from .grey_levels import grey_levels

EPSILON = np.spacing(1.0)
"""What PyRadiomics adds to each probability before it takes the logarithm."""


def first_order(values: np.ndarray) -> dict[str, float]:
    """The 18 first-order features of PyRadiomics; IBSI's intensity statistics (kurtosis is 3 more) and histogram.

    Parameters
    ----------
    values : ndarray of int, shape (n,)
        HU + 1024, not below 0, of voxels of 1 mm.

    Returns
    -------
    dict
        Value by the name that PyRadiomics has for it.
    """
    # Values are whole numbers, of which few differ.
    count = np.bincount(values)
    x = np.flatnonzero(count)
    count = count[x]
    p = count / count.sum()
    p10, p25, median, p75, p90 = _percentiles(x, count, (10, 25, 50, 75, 90))
    mean = p @ x
    variance, third, fourth = (p @ (x - mean) ** power for power in (2, 3, 4))
    spread = variance or 1.0  # of one value alone, skewness and kurtosis are 0
    energy = float(count @ (x * x))
    middle = (x >= p10) & (x <= p90)
    q = count[middle] / count[middle].sum()
    in_bins = np.bincount(grey_levels(x), weights=p)
    return {
        "10Percentile": p10,
        "90Percentile": p90,
        "Energy": energy,
        "Entropy": -in_bins @ np.log2(in_bins + EPSILON),
        "InterquartileRange": p75 - p25,
        "Kurtosis": fourth / spread**2,
        "Maximum": x[-1],
        "MeanAbsoluteDeviation": p @ abs(x - mean),
        "Mean": mean,
        "Median": median,
        "Minimum": x[0],
        "Range": x[-1] - x[0],
        "RobustMeanAbsoluteDeviation": q @ abs(x[middle] - q @ x[middle]),
        "RootMeanSquared": np.sqrt(energy / len(values)),
        "Skewness": third / spread**1.5,
        "TotalEnergy": energy,
        "Uniformity": in_bins @ in_bins,
        "Variance": variance,
    }


def _percentiles(x: np.ndarray, count: np.ndarray, percents: tuple[int, ...]) -> np.ndarray:
    """Percentiles of values x (n,) that occur ``count`` times; between two values, by linear interpolation."""
    upto = np.cumsum(count)
    place = np.array(percents) / 100 * (upto[-1] - 1)
    below, above = (x[np.searchsorted(upto, at, side="right")] for at in (np.floor(place), np.ceil(place)))
    return below + (above - below) * (place - np.floor(place))
