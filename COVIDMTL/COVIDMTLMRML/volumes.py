"""Volume nodes as volumes of the core."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.volume import Geometry, Volume

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume_of(node: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """The CT or label map of a scalar volume node.

    Returns
    -------
    Volume
        A copy of the voxels (z, y, x), HU for a CT, with the geometry that the node has in the world.

    Raises
    ------
    InputError
        If the node holds no voxels or several values a voxel, or if it is under a transform that bends
        or shears it.
    """
    if node.GetImageData() is None or not node.GetImageData().GetNumberOfPoints():
        raise InputError(f"{node.GetName()} holds no image; load one into it or choose another volume.")
    if node.GetImageData().GetNumberOfScalarComponents() != 1:
        raise InputError(f"{node.GetName()} has several values a voxel; choose a volume with one.")
    return Volume(slicer.util.arrayFromVolume(node).copy(), geometry_of(node))


def geometry_of(node: slicer.vtkMRMLScalarVolumeNode) -> Geometry:
    """The geometry (LPS, mm) of a volume node in the world.

    Raises
    ------
    InputError
        If the node is under a transform that bends or shears it.
    """
    to_ras = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(to_ras)
    to_lps = RAS_TO_LPS @ _world(node) @ slicer.util.arrayFromVTKMatrix(to_ras)
    spacing = np.linalg.norm(to_lps[:3, :3], axis=0)
    direction = to_lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError(f"{node.GetName()} is under a transform that shears it; harden the transform and resample.")
    return Geometry(node.GetImageData().GetDimensions(), tuple(spacing), tuple(to_lps[:3, 3]), tuple(direction.ravel()))


def _world(node: slicer.vtkMRMLTransformableNode) -> np.ndarray:
    """The matrix (4, 4) from a node's own coordinates to the world, in RAS."""
    matrix = vtk.vtkMatrix4x4()
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise InputError(f"{node.GetName()} is under a nonlinear transform; harden it and resample the volume first.")
    transform.GetMatrixTransformToWorld(matrix)
    return slicer.util.arrayFromVTKMatrix(matrix)
