"""The digital phantom of the Image Biomarker Standardisation Initiative: the values that its consortium agreed on.

Phantom and values are those of the reference manual (Zwanenburg et al., arXiv:1612.07003), in 3D, those of GLCM and
GLRLM averaged over directions; on each of them the consensus is very strong.
"""

import numpy as np
import pytest
from COVIDMTLLib.features.first_order import first_order
from COVIDMTLLib.features.glcm import co_occurrence
from COVIDMTLLib.features.glrlm_glszm import run_length, size_zone
from COVIDMTLLib.features.grey_levels import BIN_WIDTH
from COVIDMTLLib.features.groups import line_features, other_features
from COVIDMTLLib.features.line_matrices import line_matrices
from COVIDMTLLib.features.names import FEATURE_NAMES, GLCM
from COVIDMTLLib.features.zone_matrix import zone_matrix

# Slices (z) of rows (y); 0 is not in the region.
PHANTOM = np.array(
    [
        [[1, 4, 4, 1, 1], [1, 4, 6, 1, 1], [4, 1, 6, 4, 1], [4, 4, 6, 4, 1]],
        [[1, 4, 4, 1, 1], [1, 1, 6, 1, 1], [0, 1, 3, 1, 1], [4, 4, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 0, 1, 1], [1, 1, 6, 1, 1]],
        [[1, 4, 4, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 6, 1, 1]],
    ]
)

STATISTICS = {
    "Mean": 2.15,
    "Variance": 3.05,
    "Skewness": 1.08,
    "Median": 1,
    "Minimum": 1,
    "10Percentile": 1,
    "90Percentile": 4,
    "Maximum": 6,
    "InterquartileRange": 3,
    "Range": 5,
    "MeanAbsoluteDeviation": 1.55,
    "RobustMeanAbsoluteDeviation": 1.11,
    "Energy": 567,
    "RootMeanSquared": 2.77,
}
EXCESS_KURTOSIS = -0.355  # PyRadiomics does not take off the 3
HISTOGRAM = {"Entropy": 1.27, "Uniformity": 0.512}
PAIRS = {
    "MaximumProbability": 0.503,
    "JointAverage": 2.14,
    "SumSquares": 3.1,
    "JointEntropy": 2.4,
    "DifferenceAverage": 1.43,
    "DifferenceVariance": 3.06,
    "DifferenceEntropy": 1.56,
    "SumAverage": 4.29,
    "SumEntropy": 1.92,
    "JointEnergy": 0.303,
    "Contrast": 5.32,
    "Id": 0.677,
    "Idn": 0.851,
    "Idm": 0.618,
    "Idmn": 0.898,
    "InverseVariance": 0.0604,
    "Correlation": 0.157,
    "Autocorrelation": 5.06,
    "ClusterTendency": 7.07,
    "ClusterShade": 16.6,
    "ClusterProminence": 145,
    "Imc1": -0.157,
    "Imc2": 0.52,
}
RUNS = {
    "ShortRunEmphasis": 0.705,
    "LongRunEmphasis": 3.06,
    "LowGrayLevelRunEmphasis": 0.603,
    "HighGrayLevelRunEmphasis": 9.7,
    "ShortRunLowGrayLevelEmphasis": 0.352,
    "ShortRunHighGrayLevelEmphasis": 8.54,
    "LongRunLowGrayLevelEmphasis": 2.39,
    "LongRunHighGrayLevelEmphasis": 17.6,
    "GrayLevelNonUniformity": 21.8,
    "GrayLevelNonUniformityNormalized": 0.43,
    "RunLengthNonUniformity": 26.9,
    "RunLengthNonUniformityNormalized": 0.513,
    "RunPercentage": 0.68,
    "GrayLevelVariance": 3.46,
    "RunVariance": 0.574,
    "RunEntropy": 2.43,
}
ZONES = {
    "SmallAreaEmphasis": 0.255,
    "LargeAreaEmphasis": 550,
    "LowGrayLevelZoneEmphasis": 0.253,
    "HighGrayLevelZoneEmphasis": 15.6,
    "SmallAreaLowGrayLevelEmphasis": 0.0256,
    "SmallAreaHighGrayLevelEmphasis": 2.76,
    "LargeAreaLowGrayLevelEmphasis": 503,
    "LargeAreaHighGrayLevelEmphasis": 1490,
    "GrayLevelNonUniformity": 1.4,
    "GrayLevelNonUniformityNormalized": 0.28,
    "SizeZoneNonUniformity": 1,
    "SizeZoneNonUniformityNormalized": 0.2,
    "ZonePercentage": 0.0676,
    "GrayLevelVariance": 2.64,
    "ZoneVariance": 331,
    "ZoneEntropy": 2.32,
}


def rounded(values, names):
    """Values to the three digits that the manual gives."""
    return {name: float(f"{values[name]:.3g}") for name in names}


def test_first_order_features():
    levels = PHANTOM[PHANTOM > 0]
    values = first_order(levels)
    assert rounded(values, STATISTICS) == STATISTICS
    assert round(values["Kurtosis"] - 3, 3) == EXCESS_KURTOSIS
    assert rounded(first_order(levels * BIN_WIDTH), HISTOGRAM) == HISTOGRAM


def test_co_occurrence_and_run_length_features():
    image = np.pad(PHANTOM, 1)
    ((pairs, runs),) = line_matrices([image[image > 0]], image > 0)
    levels = np.array([1, 3, 4, 6])
    assert rounded(co_occurrence(pairs, levels, GLCM), PAIRS) == PAIRS
    found = run_length(runs, levels)
    assert rounded(found, found) == RUNS


def test_size_zone_features():
    found = size_zone(*zone_matrix(PHANTOM))
    assert rounded(found, found) == ZONES


def test_all_375_features_are_those_of_pyradiomics():
    """Of a region so small that some runs are as long as it is wide, and grey levels are missing."""
    pytest.importorskip("radiomics")
    from COVIDMTLLib.features.pyradiomics_engine import pyradiomics_features

    image = np.pad(PHANTOM * BIN_WIDTH, 5)
    found = line_features(image) | other_features(image)
    found, expected = [found[name] for name in FEATURE_NAMES], list(pyradiomics_features(image).values())
    np.testing.assert_allclose(found, expected, rtol=1e-9)
