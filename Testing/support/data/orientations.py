"""Volumes that lie otherwise in the patient."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from COVIDMTLLib.imaging.volume import Geometry, Volume


def turned(volume, degrees):
    """The same voxels, their axes turned about two axes of the patient."""
    a = np.deg2rad(degrees)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    g = volume.geometry
    direction = about_x @ about_z @ np.reshape(g.direction, (3, 3))
    return Volume(volume.array, Geometry(g.size, g.spacing, g.origin, tuple(direction.ravel())))


def flipped(volume, axes):
    """The same volume in the patient, stored with some of its axes reversed."""
    return Volume.from_image(sitk.Flip(volume.to_image(), axes))


def moved(volume, degrees=5, mm=(6, -4, 5), scale=1.0, spacing=None):
    """A volume as of a patient who lies otherwise, or breathes deeper, and perhaps with other slices."""
    image = volume.to_image()
    transform = sitk.AffineTransform(3)
    transform.Scale(1 / scale)
    transform.Rotate(0, 1, np.deg2rad(degrees))
    transform.Translate(mm)
    transform.SetCenter(image.TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in image.GetSize()]))
    geometry = volume.geometry
    size = [round(mm / step) for mm, step in zip(geometry.extent, spacing or geometry.spacing, strict=True)]
    labels = volume.array.dtype == np.uint8
    resampler = sitk.ResampleImageFilter()
    resampler.SetSize(size)
    resampler.SetOutputSpacing(spacing or geometry.spacing)
    resampler.SetOutputOrigin(geometry.origin)
    resampler.SetInterpolator(sitk.sitkNearestNeighbor if labels else sitk.sitkLinear)
    resampler.SetTransform(transform)
    resampler.SetUseNearestNeighborExtrapolator(not labels)
    return Volume.from_image(resampler.Execute(image))
