"""The 375 lung CT features of the paper (section 4.1), by PyRadiomics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from .errors import InputError
from .feature_names import FEATURE_NAMES, SUB_BANDS, WAVELET_GLCM
from .packages import require
from .volume import HU_RANGE, Volume

if TYPE_CHECKING:
    import SimpleITK as sitk

BIN_WIDTH = 25
"""Width of a grey-level bin in HU."""

MARGIN = 5
"""Voxels of 0 around the lungs. The wavelet transform wraps around, but no further than this, so that it
finds what it would find in a larger box."""

MIN_VOXELS = 1000


def lung_features(
    ct: Volume, lungs: np.ndarray, progress: Callable[[float], None] = lambda fraction: None
) -> dict[str, float]:
    """Compute the 375 features of a lung volume.

    They are those of the cohort table: PyRadiomics on HU + 1024 inside the lung and 0 outside, mask
    where that is over 0, bin width 25, nothing normalised. Cropping to the lungs leaves every value what
    it is on the paper's box of 340 x 390 x 390.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid, or on voxels of another size, whose features are then others, too.
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the same grid; every value but 0 is lung.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    dict
        Value of each of `FEATURE_NAMES`, in that order.

    Raises
    ------
    InputError
        If the mask is too small for texture features.
    MissingPackage
        If PyRadiomics is not installed.
    """
    require("radiomics")
    if np.count_nonzero(lungs) < MIN_VOXELS:
        raise InputError(
            f"The lungs hold fewer than {MIN_VOXELS} voxels, too few for texture features; give a mask of whole lungs."
        )
    image, mask = _cropped(ct.array, lungs)
    values = {}
    # Bands, with the image itself the first, take about equal time but for the classes the image has besides.
    bands = 1 + len(SUB_BANDS)
    for index, (prefix, band, classes) in enumerate(_bands(image, mask)):
        values |= _class_values(prefix, band, mask, classes)
        progress((index + 1) / bands)
    return {name: float(values[name]) for name in FEATURE_NAMES}


def _cropped(ct: np.ndarray, lungs: np.ndarray) -> tuple[sitk.Image, sitk.Image]:
    """The lung volume (HU + 1024, 0 outside) and its mask, cropped to the lungs with a margin."""
    import SimpleITK as sitk
    from scipy import ndimage

    box = ndimage.find_objects((lungs != 0).astype(np.uint8))[0]
    inside = lungs[box] != 0
    image = np.where(inside, np.maximum(ct[box].astype(np.int32) - HU_RANGE[0], 0), 0)
    image = np.pad(image, MARGIN)
    return sitk.GetImageFromArray(image), sitk.GetImageFromArray((image > 0).astype(np.uint8))


def _bands(image: sitk.Image, mask: sitk.Image) -> Iterator[tuple[str, sitk.Image, dict]]:
    """The image with its feature classes, then each wavelet sub-band with its own."""
    from radiomics.imageoperations import getWaveletImage

    yield "", image, {"firstorder": None, "glcm": None, "glrlm": None, "glszm": None}
    for band, name, _ in getWaveletImage(image, mask, wavelet="coif1"):
        yield name.removeprefix("wavelet-") + "_", band, {"glcm": WAVELET_GLCM, "glrlm": None}


def _class_values(prefix: str, image: sitk.Image, mask: sitk.Image, classes: dict) -> dict[str, float]:
    """The features of some classes, all or those listed, named as in the cohort table."""
    from radiomics import firstorder, glcm, glrlm, glszm, setVerbosity

    setVerbosity(logging.ERROR)  # it would warn that SumAverage is redundant, which the cohort table has all the same
    calculators = {
        "firstorder": firstorder.RadiomicsFirstOrder,
        "glcm": glcm.RadiomicsGLCM,
        "glrlm": glrlm.RadiomicsGLRLM,
        "glszm": glszm.RadiomicsGLSZM,
    }
    values = {}
    for name, selected in classes.items():
        calculator = calculators[name](image, mask, binWidth=BIN_WIDTH)
        if selected is None:
            calculator.enableAllFeatures()
        else:
            for feature in selected:
                calculator.enableFeatureByName(feature)
        label = f"{prefix}{name}_" if prefix else ""
        # On the image itself names have no class, so GLSZM values take the place of GLRLM ones of the same name.
        values |= {label + feature: value for feature, value in calculator.execute().items()}
    return values
