"""The slice that a slice view shows."""

from __future__ import annotations

import numpy as np
import slicer


def point_in_slice(ct: slicer.vtkMRMLScalarVolumeNode, view: slicer.vtkMRMLSliceNode) -> tuple[float, float, float]:
    """A point (LPS, mm) in the world that lies in the slice that a view shows, as near to the middle of a CT as it can.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
    view : vtkMRMLSliceNode
    """
    bounds = np.zeros(6)
    ct.GetRASBounds(bounds)
    middle = bounds.reshape(3, 2).mean(axis=1)
    to_ras = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())
    normal, in_view = to_ras[:3, 2], to_ras[:3, 3]
    right, anterior, superior = middle + normal * np.dot(in_view - middle, normal)
    return -right, -anterior, superior


def red_slice(scene: slicer.vtkMRMLScene) -> slicer.vtkMRMLSliceNode:
    """The node of the red slice view, which is the axial one unless the user has turned it."""
    return scene.GetSingletonNode("Red", "vtkMRMLSliceNode")
