"""Volume nodes as volumes of the core."""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from COVIDMTLLib.imaging.volume import Geometry, Volume
from COVIDMTLLib.utils.errors import InputError

from .attention import attention_in

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def ct_nodes(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The volumes of a scene that may be CTs, as lists show them: no label maps, no attention of networks."""
    attention = attention_in(scene)
    return [
        node
        for node in slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode", scene)
        # Label maps, too, are scalar volumes by their base class.
        if node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors() and node not in attention
    ]


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
    # Not under a transform, the CT keeps the very numbers of its file, and results their last digit.
    in_file = node.GetParentTransformNode() is None
    spacing = np.array(node.GetSpacing()) if in_file else np.linalg.norm(to_lps[:3, :3], axis=0)
    direction = to_lps[:3, :3] / spacing
    if not np.allclose(direction.T @ direction, np.eye(3), atol=1e-4):
        raise InputError(f"{node.GetName()} is under a transform that shears it; harden the transform and resample.")
    size, origin = node.GetImageData().GetDimensions(), to_lps[:3, 3]
    return Geometry(size, *(tuple(part.ravel().tolist()) for part in (spacing, origin, direction)))


def add_volume(volume: Volume, name: str) -> slicer.vtkMRMLScalarVolumeNode:
    """Add a CT to the scene as a scalar volume node.

    Parameters
    ----------
    volume : Volume
        HU (z, y, x), any geometry.
    name : str
    """
    to_lps = np.eye(4)
    to_lps[:3, :3] = np.reshape(volume.geometry.direction, (3, 3)) * volume.geometry.spacing
    to_lps[:3, 3] = volume.geometry.origin
    to_ras = slicer.util.vtkMatrixFromArray(RAS_TO_LPS @ to_lps)
    return slicer.util.addVolumeFromArray(volume.array, ijkToRAS=to_ras, name=name)


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
