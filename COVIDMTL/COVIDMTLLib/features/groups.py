"""The features of a lung volume in parts that two processes can share: those of lines, by image, and all others."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..utils.progress import Callback
from .first_order import first_order
from .glcm import co_occurrence
from .glrlm_glszm import run_length, size_zone
from .grey_levels import grey_levels
from .line_matrices import line_matrices
from .names import GLCM, WAVELET_GLCM
from .wavelet import sub_band_values
from .zone_matrix import zone_matrix

IMAGE, LOW, HIGH = IMAGES = ("", "L", "H")
"""The lung volume itself, and its sub-bands by the letter that their names begin with."""


def line_features(
    image: np.ndarray, images: Sequence[str] = IMAGES, progress: Callable[[float], None] = lambda fraction: None
) -> dict[str, float]:
    """GLCM and GLRLM features of a lung volume and its sub-bands.

    Parameters
    ----------
    image : ndarray of shape (z, y, x)
        HU + 1024 in the lungs and 0 elsewhere, as `wavelet.sub_band_values` takes it.
    images : sequence of {"", "L", "H"}
        Of `IMAGES`.
    progress : callable, optional
        Is told the share done, 0 to 1.

    Returns
    -------
    dict
        Values by the names of `names.FEATURE_NAMES`.
    """
    mask = image > 0
    bands = {IMAGE: image[mask]} if IMAGE in images else {}
    bands |= sub_band_values(image, mask, [letter for letter in images if letter])
    progress(0.2)
    levels = {prefix: grey_levels(values) for prefix, values in bands.items()}
    counted = line_matrices(list(levels.values()), mask, lambda fraction: progress(0.2 + 0.6 * fraction))
    found: dict[str, float] = {}
    for number, (prefix, (pairs, runs)) in enumerate(zip(levels, counted, strict=True), 1):
        occurring = np.flatnonzero(runs.any(axis=(0, 2))) + 1
        glcm, glrlm = co_occurrence(pairs, occurring, WAVELET_GLCM if prefix else GLCM), run_length(runs, occurring)
        for kind, values in (("glcm", glcm), ("glrlm", glrlm)):
            found |= {f"{prefix}_{kind}_{name}" if prefix else name: float(value) for name, value in values.items()}
        progress(0.8 + 0.2 * number / len(levels))
    return found


def low_pass_features(image: np.ndarray) -> dict[str, float]:
    """First-order features, and GLCM features of a lung volume and of its sub-band LLL: what noise changes least.

    Parameters and result as of `line_features`.
    """
    mask = image > 0
    bands = {"": image[mask], "LLL": sub_band_values(image, mask, "L")["LLL"]}
    levels = {prefix: grey_levels(values) for prefix, values in bands.items()}
    found = first_order(bands[""])
    counted = line_matrices(list(levels.values()), mask, count_runs=False)
    for (prefix, of_image), (pairs, _runs) in zip(levels.items(), counted, strict=True):
        glcm = co_occurrence(pairs, np.unique(of_image), WAVELET_GLCM if prefix else GLCM)
        found |= {f"{prefix}_glcm_{name}" if prefix else name: float(value) for name, value in glcm.items()}
    return {name: float(value) for name, value in found.items()}


def other_features(image: np.ndarray) -> dict[str, float]:
    """First-order and GLSZM features of a lung volume; parameters and result as of `line_features`.

    Names have no class here, and three of them GLRLM features have, too: in the cohort's table they are GLSZM values.
    """
    mask = image > 0
    levels = np.zeros(image.shape, np.uint16)
    levels[mask] = grey_levels(image[mask])
    found = first_order(image[mask]) | size_zone(*zone_matrix(levels))
    return {name: float(value) for name, value in found.items()}


def second_half(image: np.ndarray, progress: Callback) -> dict[str, float]:
    """About half of the work, as a job of another process: all that ``line_features(image, (IMAGE, LOW))`` leaves."""
    return line_features(image, (HIGH,)) | other_features(image)
