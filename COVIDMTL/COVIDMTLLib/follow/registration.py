"""Laying the lungs of a later CT on those of an earlier one, so that the same place can be seen in both.

An affine transform is found by all that the CTs show around the lungs, ribs and spine, too, and a coarse B-spline then
by the lungs and what is next to them, as for another breath. Both go by mutual information, which dense lung that came
or went hardly pulls along. The seed is fixed and one thread sums up, so that the same CTs give the same transform to
the last digit.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..imaging.volume import Geometry, Volume
from ..measurements.overlap import overlap

if TYPE_CHECKING:
    import SimpleITK as sitk

    from .scans import Scan

STEP = 6
"""mm between the voxels that are registered."""

AROUND = 20.0
"""mm around the lungs that the B-spline is found by, too."""

KNOTS = 60.0
"""mm between the knots of the B-spline, about: finer ones would follow what changed."""

DENSITIES = (-1000, 300)
"""HU that are told apart."""

AFFINE_STEPS, SPLINE_STEPS = 100, 20

SAMPLED, SEED = 0.2, 1
"""Share of the voxels that are looked at, at regular distances, and the seed of where between them."""

JUDGED = 2
"""mm between the voxels on which the agreement of the lungs is judged."""

POOR_DICE, POOR_DISTANCE = 0.9, 4.0
"""Dice of the lungs below which, and mean distance of their surfaces in mm above which, a registration is poor."""


@dataclass(frozen=True)
class Registration:
    """How a later CT lies on an earlier one.

    Attributes
    ----------
    transform : SimpleITK.Transform
        From points of the earlier CT to those of the later one, LPS, mm.
    dice_before, distance_before_mm : float
        Agreement of the lungs with the middles of their boxes laid on each other: Dice, and mean distance of their
        surfaces in mm.
    dice, distance_mm : float
        The same after registration.
    """

    transform: sitk.Transform
    dice_before: float
    distance_before_mm: float
    dice: float
    distance_mm: float

    @property
    def poor(self) -> bool:
        """Whether what is shown side by side may not be the same place."""
        return self.dice < POOR_DICE or self.distance_mm > POOR_DISTANCE

    @property
    def numbers(self) -> dict[str, float | bool]:
        """All but the transform."""
        return {
            "dice_before": round(self.dice_before, 4),
            "dice": round(self.dice, 4),
            "surface_distance_before_mm": round(self.distance_before_mm, 2),
            "surface_distance_mm": round(self.distance_mm, 2),
            "poor": self.poor,
        }


def register(earlier: Scan, later: Scan) -> Registration:
    """Register the lungs of a later CT to those of an earlier one.

    Parameters
    ----------
    earlier, later : Scan
        With lungs in both.

    Returns
    -------
    Registration
    """
    import SimpleITK as sitk

    start = sitk.TranslationTransform(3, np.subtract(_middle(later.lungs), _middle(earlier.lungs)).tolist())
    transform: sitk.Transform
    fixed, moving = _coarse(earlier), _coarse(later)
    with _one_thread():
        try:
            affine = _affine(fixed, moving, start)
            transform = sitk.CompositeTransform([affine, _b_spline(fixed, moving, _around(earlier), affine)])
        except RuntimeError:  # too little of the CTs lies on each other; how well the lungs do is told all the same
            transform = start
    grid = earlier.lungs.geometry.with_spacing(JUDGED)
    reference = _on(earlier.lungs, grid)
    before, after = (_agreement(reference, _on(later.lungs, grid, one)) for one in (start, transform))
    return Registration(transform, *before, *after)


def _affine(fixed: sitk.Image, moving: sitk.Image, start: sitk.TranslationTransform) -> sitk.AffineTransform:
    """The affine transform that brings all that the CTs show together."""
    import SimpleITK as sitk

    affine = sitk.AffineTransform(3)
    affine.SetCenter(fixed.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in fixed.GetSize()]))
    affine.SetTranslation(start.GetOffset())
    method = _method()
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 0.02, AFFINE_STEPS, relaxationFactor=0.6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([2, 1])
    method.SetSmoothingSigmasPerLevel([0, 0])
    method.SetInitialTransform(affine, inPlace=True)
    method.Execute(fixed, moving)
    return affine


def _b_spline(
    fixed: sitk.Image, moving: sitk.Image, around: sitk.Image, affine: sitk.AffineTransform
) -> sitk.BSplineTransform:
    """The B-spline that is left to be done after an affine transform, in and around the lungs."""
    import SimpleITK as sitk

    extent = np.multiply(fixed.GetSize(), fixed.GetSpacing())
    spline = sitk.BSplineTransformInitializer(fixed, [max(2, round(mm / KNOTS)) for mm in extent])
    method = _method()
    method.SetMetricFixedMask(around)
    method.SetOptimizerAsLBFGSB(gradientConvergenceTolerance=1e-5, numberOfIterations=SPLINE_STEPS)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransform(spline, inPlace=True)
    method.Execute(fixed, moving)
    return spline


@contextmanager
def _one_thread() -> Iterator[None]:
    """Mutual information is summed up by as many threads as ITK has by default, whatever its method is told."""
    import SimpleITK as sitk

    threads = sitk.ProcessObject.GetGlobalDefaultNumberOfThreads()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)


def _method() -> sitk.ImageRegistrationMethod:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(numberOfHistogramBins=32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(SAMPLED, SEED)
    method.SetInterpolator(sitk.sitkLinear)
    return method


def _coarse(scan: Scan) -> sitk.Image:
    """The CT in HU on the coarse grid, opacities as dense as healthy lung, which they were or will be."""
    import SimpleITK as sitk

    hu = np.clip(scan.ct.array, *DENSITIES).astype(np.float32)
    opacities = scan.opacities.array > 0
    healthy = hu[(scan.lungs.array > 0) & ~opacities]
    if healthy.size:
        hu[opacities] = np.median(healthy)
    return sitk.BinShrink(scan.ct.with_array(hu).to_image(), [STEP] * 3)


def _around(scan: Scan) -> sitk.Image:
    """The lungs and what is next to them on the coarse grid."""
    import SimpleITK as sitk

    share = sitk.BinShrink(sitk.Cast(scan.lungs.to_image() > 0, sitk.sitkFloat32), [STEP] * 3)
    return sitk.BinaryDilate(share > 0.5, [round(AROUND / STEP)] * 3)


def _middle(lungs: Volume) -> np.ndarray:
    """The middle of the box of the lungs, LPS, mm."""
    places = [np.flatnonzero(lungs.array.any(axis=other)) for other in ((0, 1), (0, 2), (1, 2))]
    return lungs.geometry.point_at([(place[0] + place[-1]) / 2 for place in places])


def _on(lungs: Volume, grid: Geometry, transform: sitk.Transform | None = None) -> np.ndarray:
    """Whether there is lung at each voxel of a grid."""
    import SimpleITK as sitk

    mask = sitk.Cast(lungs.to_image() > 0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(resampled(mask, grid, transform, 0.0)) > 0.5


def resampled(
    image: sitk.Image, grid: Geometry, transform: sitk.Transform | None, outside: float, labels: bool = False
) -> sitk.Image:
    """An image seen through a transform on a grid, linearly, or labels by nearest neighbour."""
    import SimpleITK as sitk

    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if labels else sitk.sitkLinear)
    resampler.SetDefaultPixelValue(outside)
    if transform is not None:
        resampler.SetTransform(transform)
    return resampler.Execute(image)


def _agreement(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Dice of two masks, and the mean distance of the surface of each from the other in mm."""
    if not other.any():
        return 0.0, float(np.linalg.norm(one.shape) * JUDGED)
    return overlap(one, other)["dice"], _surface_distance(one, other)


def _surface_distance(one: np.ndarray, other: np.ndarray) -> float:
    from scipy import ndimage

    surfaces = [mask & ~ndimage.binary_erosion(mask) for mask in (one, other)]
    away = [ndimage.distance_transform_edt(~surface, sampling=JUDGED) for surface in surfaces]
    return float(np.mean(np.concatenate([away[1][surfaces[0]], away[0][surfaces[1]]])))
