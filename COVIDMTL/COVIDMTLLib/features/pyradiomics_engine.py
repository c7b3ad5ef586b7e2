"""The features by PyRadiomics itself, where it is installed: what the project's own are compared with."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import SimpleITK as sitk

from .grey_levels import BIN_WIDTH
from .names import FEATURE_NAMES, GLRLM, WAVELET_GLCM


def pyradiomics_features(
    image: np.ndarray, progress: Callable[[float], None] = lambda fraction: None
) -> dict[str, float]:
    """The 375 features of a lung volume by PyRadiomics' extractor.

    Parameters
    ----------
    image : ndarray of int, shape (z, y, x)
        HU + 1024 in the lungs and 0 elsewhere, with at least 3 voxels of 0 at each face, as the wavelet transform
        wraps around.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    dict
        Value of each of `names.FEATURE_NAMES`, in that order.
    """
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    # It warns that SumAverage is redundant; the cohort table has it, too.
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    mask = sitk.GetImageFromArray((image > 0).astype(np.uint8))
    volume = sitk.GetImageFromArray(image)
    extractor = RadiomicsFeatureExtractor(binWidth=BIN_WIDTH)
    extractor.disableAllFeatures()
    values: dict[str, float] = {}
    # Names have no class in the cohort's table; the three that GLRLM and GLSZM share hold the GLSZM value.
    for number, kind in enumerate(("firstorder", "glcm", "glrlm", "glszm"), 1):
        extractor.enableFeatureClassByName(kind)
        found = extractor.execute(volume, mask)
        values |= {name.split("_")[2]: value for name, value in found.items() if name.startswith("original_")}
        extractor.disableAllFeatures()
        progress(0.1 * number)
    extractor.disableAllImageTypes()
    extractor.enableImageTypeByName("Wavelet")
    extractor.enableFeaturesByName(glcm=list(WAVELET_GLCM), glrlm=list(GLRLM))
    found = extractor.execute(volume, mask)
    values |= {name.removeprefix("wavelet-"): value for name, value in found.items() if name.startswith("wavelet-")}
    progress(1.0)
    return {name: float(values[name]) for name in FEATURE_NAMES}
