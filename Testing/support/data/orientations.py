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
