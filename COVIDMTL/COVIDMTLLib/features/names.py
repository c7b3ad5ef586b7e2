"""Names of the 375 lung features, in the order of the cohort table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

FIRST_ORDER = (
    "10Percentile 90Percentile Energy Entropy InterquartileRange Kurtosis Maximum MeanAbsoluteDeviation Mean Median "
    "Minimum Range RobustMeanAbsoluteDeviation RootMeanSquared Skewness TotalEnergy Uniformity Variance"
).split()

GLCM = (
    "Autocorrelation ClusterProminence ClusterShade ClusterTendency Contrast Correlation DifferenceAverage "
    "DifferenceEntropy DifferenceVariance Id Idm Idmn Idn Imc1 Imc2 InverseVariance JointAverage JointEnergy "
    "JointEntropy MCC MaximumProbability SumAverage SumEntropy SumSquares"
).split()

GLRLM = (
    "GrayLevelNonUniformity GrayLevelNonUniformityNormalized GrayLevelVariance HighGrayLevelRunEmphasis "
    "LongRunEmphasis LongRunHighGrayLevelEmphasis LongRunLowGrayLevelEmphasis LowGrayLevelRunEmphasis RunEntropy "
    "RunLengthNonUniformity RunLengthNonUniformityNormalized RunPercentage RunVariance ShortRunEmphasis "
    "ShortRunHighGrayLevelEmphasis ShortRunLowGrayLevelEmphasis"
).split()

GLSZM = (
    "HighGrayLevelZoneEmphasis LargeAreaEmphasis LargeAreaHighGrayLevelEmphasis LargeAreaLowGrayLevelEmphasis "
    "LowGrayLevelZoneEmphasis SizeZoneNonUniformity SizeZoneNonUniformityNormalized SmallAreaEmphasis "
    "SmallAreaHighGrayLevelEmphasis SmallAreaLowGrayLevelEmphasis ZoneEntropy ZonePercentage ZoneVariance"
).split()
"""GLSZM features without the three whose names GLRLM has too; those hold the GLSZM value."""

WAVELET_GLCM = (
    "Autocorrelation JointAverage ClusterProminence ClusterShade ClusterTendency Contrast Correlation "
    "DifferenceAverage DifferenceEntropy DifferenceVariance JointEnergy JointEntropy Imc1 Imc2 Idm Idmn Id Idn "
    "InverseVariance MaximumProbability SumEntropy SumSquares"
).split()

SUB_BANDS = ("LLH", "LHL", "LHH", "HLL", "HLH", "HHL", "HHH", "LLL")

FEATURE_NAMES = (
    *FIRST_ORDER,
    *GLCM,
    *GLRLM,
    *GLSZM,
    *(f"{band}_glcm_{name}" for band in SUB_BANDS for name in WAVELET_GLCM),
    *(f"{band}_glrlm_{name}" for band in SUB_BANDS for name in GLRLM),
)

VOLUME = "Volume"
"""Of the lungs in mm3: no feature of the table, but in two of its features, from which models may take it."""

ABBREVIATIONS = {
    "Id": "inverse difference",
    "Idm": "inverse difference moment",
    "Idmn": "inverse difference moment, normalized",
    "Idn": "inverse difference, normalized",
    "Imc1": "informational correlation 1",
    "Imc2": "informational correlation 2",
    "MCC": "maximal correlation coefficient",
}


def values_of(features: Mapping[str, Any], names: Sequence[str]) -> np.ndarray:
    """Features by name, and `VOLUME`, which follows from them, as an array (names, ...).

    Raises
    ------
    KeyError
        With the name of one that is not there.
    """
    return np.array(
        [_volume(features) if name == VOLUME and name not in features else features[name] for name in names], float
    )


def _volume(features: Mapping[str, Any]) -> Any:
    # The sum of all squares times the volume of a voxel, over their mean.
    return features["TotalEnergy"] / np.asarray(features["RootMeanSquared"]) ** 2


def in_words(name: str) -> tuple[str, str]:
    """A feature's name in words, and what kind of feature it is, for people to read."""
    *prefix, feature = name.split("_")
    if prefix:
        band, kind = prefix[0], prefix[1].upper()
    else:
        band = None
        first_order, glcm = feature in (*FIRST_ORDER, VOLUME), feature in GLCM
        # Names that GLRLM and GLSZM share hold the GLSZM value.
        shared = feature in GLRLM[:3]
        kind = "first order" if first_order else "GLCM" if glcm else "GLSZM" if shared or feature in GLSZM else "GLRLM"
    words = ABBREVIATIONS.get(feature) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", feature).lower()
    kinds = {"first order": "density", "GLCM": "co-occurrence", "GLRLM": "run length", "GLSZM": "zone size"}
    return words, f"{kinds[kind]} ({kind})" + (f", wavelet {band}" if band else "")
