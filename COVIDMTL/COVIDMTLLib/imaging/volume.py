"""Volumes: an array (z, y, x) together with where it lies in the patient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from .bspline import resample_cubic

if TYPE_CHECKING:
    import SimpleITK as sitk

WORKING_SPACING = 1.0
"""Spacing of the working grid in mm (section 5.1 of the paper)."""

HU_RANGE = (-1024, 3071)
"""Range that intensities are clipped to before resampling, in HU. Scanners mark what lies outside
the field of view with values below it."""

T = TypeVar("T")


def triple(values: Iterable[T]) -> tuple[T, T, T]:
    """Three values, as along x, y, z; raises `ValueError` if they are more or fewer."""
    first, second, third = values
    return first, second, third


@dataclass(frozen=True)
class Geometry:
    """Where the voxels of a volume lie, in SimpleITK's terms: LPS, in mm, axes in the order x, y, z.

    Attributes
    ----------
    size : tuple of 3 int
        Number of voxels along x, y, z; the array has the shape ``size[::-1]``.
    spacing : tuple of 3 float
        Distance of voxel centres in mm.
    origin : tuple of 3 float
        Position of the centre of the first voxel in mm.
    direction : tuple of 9 float
        Direction cosines, row by row; column i is the direction of axis i.
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @classmethod
    def of(cls, image: sitk.Image) -> Geometry:
        """The geometry of a 3D SimpleITK image."""
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (z, y, x) of the array."""
        return self.size[::-1]

    @property
    def extent(self) -> tuple[float, float, float]:
        """Extent along x, y, z in mm, from outer face to outer face."""
        return triple(n * s for n, s in zip(self.size, self.spacing, strict=True))

    @property
    def voxel_volume(self) -> float:
        """Volume of a voxel in ml."""
        return float(np.prod(self.spacing)) / 1000

    @property
    def axes(self) -> np.ndarray:
        """Direction cosines, shape (3, 3); column i is the direction of axis i."""
        return np.reshape(self.direction, (3, 3))

    def index_of(self, point: Sequence[float] | np.ndarray) -> np.ndarray:
        """Where a point (LPS, mm) lies along the axes x, y, z: float64 of shape (3,), whole at voxel centres."""
        return np.linalg.solve(self.axes * self.spacing, np.subtract(point, self.origin))

    def point_at(self, index: Sequence[float] | np.ndarray) -> np.ndarray:
        """The point (LPS, mm), shape (3,), at an index along x, y, z, which need not be whole."""
        return self.axes * self.spacing @ index + self.origin

    def with_spacing(self, spacing: float) -> Geometry:
        """The grid of the same axes and the same first voxel with another, isotropic spacing in mm."""
        size = triple(max(1, round(extent / spacing)) for extent in self.extent)
        return Geometry(size, (spacing,) * 3, self.origin, self.direction)


@dataclass(frozen=True)
class Volume:
    """An array with its geometry: HU for a CT, labels for a mask; `ValueError` if their shapes differ.

    Attributes
    ----------
    array : ndarray of shape (z, y, x)
        HU, or labels.
    geometry : Geometry
        Where the voxels lie in the patient.
    """

    array: np.ndarray
    geometry: Geometry

    def __post_init__(self) -> None:
        if self.array.shape != self.geometry.shape:
            raise ValueError(f"array of shape {self.array.shape} on a grid of shape {self.geometry.shape}")

    @classmethod
    def from_image(cls, image: sitk.Image) -> Volume:
        """The volume of a 3D SimpleITK image.

        Parameters
        ----------
        image : SimpleITK.Image
            Of one component.

        Returns
        -------
        Volume
            A copy of its values, with its geometry.
        """
        import SimpleITK as sitk

        return cls(sitk.GetArrayFromImage(image), Geometry.of(image))

    def to_image(self) -> sitk.Image:
        """The volume as a SimpleITK image.

        Returns
        -------
        SimpleITK.Image
            Of the same type, with the same geometry.
        """
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(self.array)
        image.SetSpacing(self.geometry.spacing)
        image.SetOrigin(self.geometry.origin)
        image.SetDirection(self.geometry.direction)
        return image

    def with_array(self, array: np.ndarray) -> Volume:
        """Another array on the same geometry.

        Parameters
        ----------
        array : ndarray of shape (z, y, x)
            Of the shape of this one; another raises `ValueError`.

        Returns
        -------
        Volume
            The array with the geometry.
        """
        return Volume(array, self.geometry)


def to_working_grid(ct: Volume) -> Volume:
    """A CT on the working grid: axial slices of 1 mm from the volume's own first voxel.

    An oblique volume keeps the directions of its axes. Intensities are clipped to `HU_RANGE`, then
    resampled with a cubic B-spline, nearest beyond the border (section 5.1). The spline may overshoot
    the range at sharp edges, as it did in the cohort. Slices at the ends that hold one value alone are left out, and
    padding above all tissue is taken for padding below it.

    Parameters
    ----------
    ct : Volume
        HU, any geometry.

    Returns
    -------
    Volume
        HU, int16, 1 mm, axial slices.
    """
    import SimpleITK as sitk

    image = _without_padding(sitk.DICOMOrient(ct.to_image(), "LPS"))
    grid = Geometry.of(image).with_spacing(WORKING_SPACING)
    steps = [WORKING_SPACING / spacing for spacing in image.GetSpacing()[::-1]]
    return Volume(resample_cubic(sitk.GetArrayViewFromImage(image), steps, grid.shape, HU_RANGE), grid)


def _without_padding(image: sitk.Image) -> sitk.Image:
    """An image without blank slices at its ends, and with padding above `HU_RANGE`, as in its corners, made air."""
    import SimpleITK as sitk

    array = sitk.GetArrayViewFromImage(image)
    shown = np.flatnonzero(array.min(axis=(1, 2)) < array.max(axis=(1, 2)))
    if 0 < len(shown) < len(array):
        image = image[:, :, int(shown[0]) : int(shown[-1]) + 1]
        array = sitk.GetArrayViewFromImage(image)
    high = np.unique(array[:: max(1, len(array) - 1), :: array.shape[1] - 1, :: array.shape[2] - 1])
    for value in high[high > HU_RANGE[1]].tolist() if len(high) <= 2 else []:
        image = sitk.Threshold(image, float(array.min()), value - 1, HU_RANGE[0])
        array = sitk.GetArrayViewFromImage(image)
    return image


def labels_on(labels: Volume, grid: Geometry) -> Volume:
    """A label map on another grid, by nearest neighbour.

    Parameters
    ----------
    labels : Volume
        Labels (z, y, x), any geometry.
    grid : Geometry
        In the same patient coordinates (LPS, mm).

    Returns
    -------
    Volume
        Labels on the grid; 0 where the label map does not reach.
    """
    import SimpleITK as sitk

    if labels.geometry == grid:
        return labels
    return Volume.from_image(_resample(labels.to_image(), grid, sitk.sitkNearestNeighbor, extrapolate=False))


def linear_on(volume: Volume, grid: Geometry, extrapolate: bool = False) -> Volume:
    """A volume on another grid, linearly.

    Parameters
    ----------
    volume : Volume
        Values (z, y, x), any geometry.
    grid : Geometry
        In the same patient coordinates (LPS, mm).
    extrapolate : bool
        Go on beyond the volume with its outermost values, instead of 0.

    Returns
    -------
    Volume
        Values of the same type on the grid.
    """
    import SimpleITK as sitk

    return Volume.from_image(_resample(volume.to_image(), grid, sitk.sitkLinear, extrapolate))


def _resample(image: sitk.Image, grid: Geometry, interpolator: int, extrapolate: bool) -> sitk.Image:
    import SimpleITK as sitk

    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(grid.size)
    resampler.SetOutputSpacing(grid.spacing)
    resampler.SetOutputOrigin(grid.origin)
    resampler.SetOutputDirection(grid.direction)
    resampler.SetInterpolator(interpolator)
    resampler.SetUseNearestNeighborExtrapolator(extrapolate)
    return resampler.Execute(image)
