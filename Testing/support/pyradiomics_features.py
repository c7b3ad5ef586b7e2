"""The features by PyRadiomics itself."""

from __future__ import annotations

import numpy as np
import pytest


def by_pyradiomics(ct, lungs, box):
    """The features as the paper has them: PyRadiomics' own extractor on a lung volume that is centred in a
    box (z, y, x), 340 x 390 x 390 in the paper."""
    pytest.importorskip("radiomics")
    from COVIDMTLLib.features.pyradiomics_engine import pyradiomics_features

    volume = np.where(lungs, np.maximum(ct.astype(int) + 1024, 0), 0)
    image = np.zeros(box, np.int32)
    start = [(outer - inner) // 2 for outer, inner in zip(box, volume.shape, strict=True)]
    image[tuple(slice(s, s + n) for s, n in zip(start, volume.shape, strict=True))] = volume
    return np.array(list(pyradiomics_features(image).values()))
