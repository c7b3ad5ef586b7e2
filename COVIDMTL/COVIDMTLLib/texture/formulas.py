"""PyRadiomics' feature classes on levels and matrices that are known already."""

from __future__ import annotations

import logging

import numpy as np
import SimpleITK as sitk
from radiomics.firstorder import RadiomicsFirstOrder
from radiomics.glcm import RadiomicsGLCM
from radiomics.glrlm import RadiomicsGLRLM
from radiomics.glszm import RadiomicsGLSZM

# PyRadiomics would warn, by the name of this module, that SumAverage is redundant; the cohort table has it, too.
logging.getLogger(__name__).setLevel(logging.ERROR)


def first_order(values: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    """First-order features of values (n,) in HU + 1024 and their grey levels (n,), of voxels of 1 mm."""
    image = sitk.GetImageFromArray(values[np.newaxis, np.newaxis])
    mask = sitk.GetImageFromArray(np.ones((1, 1, len(values)), np.uint8))
    return _values(_FirstOrder(image, mask, levels=levels[np.newaxis, np.newaxis]))


def co_occurrence(pairs: np.ndarray, levels: np.ndarray, names: tuple[str, ...] = ()) -> dict[str, float]:
    """GLCM features, all or those named, of pairs (level, level, direction) as `lines.line_matrices` counts them.

    Of the levels, from 1, ``levels`` (n,) holds those that occur.
    """
    pairs = pairs[levels - 1][:, levels - 1]
    return _values(_CoOccurrence(*_nothing(), levels=levels, counts=pairs + pairs.transpose(1, 0, 2)), names)


def run_length(runs: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    """GLRLM features of runs (level, length, direction) as `lines.line_matrices` counts them; ``levels`` as above."""
    return _values(_RunLength(*_nothing(), levels=levels, counts=runs[levels - 1]))


def size_zone(counts: np.ndarray, sizes: np.ndarray, levels: np.ndarray) -> dict[str, float]:
    """GLSZM features of zones (level, size) as `zones.zone_matrix` counts them; ``levels`` as above."""
    return _values(_SizeZone(*_nothing(), levels=levels, counts=counts, sizes=sizes))


def _nothing() -> tuple[sitk.Image, sitk.Image]:
    """The image and the mask that a class asks for and has no use for."""
    image = sitk.Image(1, 1, 1, sitk.sitkUInt8)
    return image, image + 1


def _values(calculator, names: tuple[str, ...] = ()) -> dict[str, float]:
    for name in names:
        calculator.enableFeatureByName(name)
    return calculator.execute()


class _Given:
    """A class of PyRadiomics' that is given grey levels as the setting ``levels``."""

    def _applyBinning(self, matrix):
        levels = self.settings["levels"]
        self.coefficients["grayLevels"] = levels
        self.coefficients["Ng"] = int(levels.max())
        return levels

    def _given_counts(self) -> tuple[np.ndarray, np.ndarray]:
        """The matrix (1, level, level or length, direction) of the directions in which there is anything, and how
        much (1, direction)."""
        counts = self.settings["counts"]
        total = counts.sum(axis=(0, 1))
        return counts[np.newaxis, ..., total > 0], total[np.newaxis, total > 0]


class _FirstOrder(_Given, RadiomicsFirstOrder):
    pass


class _CoOccurrence(_Given, RadiomicsGLCM):
    def _calculateMatrix(self, voxelCoordinates=None):
        counts, total = self._given_counts()
        return counts / total


class _RunLength(_Given, RadiomicsGLRLM):
    def _calculateMatrix(self, voxelCoordinates=None):
        counts, self.coefficients["Nr"] = self._given_counts()
        return counts


class _SizeZone(_Given, RadiomicsGLSZM):
    def _calculateMatrix(self, voxelCoordinates=None):
        return self.settings["counts"][np.newaxis]

    def _calculateCoefficients(self):
        # The original holds a column for each size up to the largest zone, of which few occur.
        sizes, by_size = self.settings["sizes"].astype(float), self.P_glszm.sum(axis=1)
        self.coefficients |= {
            "ps": by_size,
            "pg": self.P_glszm.sum(axis=2),
            "ivector": self.coefficients["grayLevels"].astype(float),
            "jvector": sizes,
            "Nz": by_size.sum(axis=1),
            "Np": (by_size * sizes).sum(axis=1),
        }
