"""What is written on the picture of a slice."""

import numpy as np
import slicer
import vtk


def labels(view):
    """Name and place of the slice in a corner, and the patient's sides at the edges; the ruler has the lower one."""
    right, up, normal, place = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3].T
    coordinate = place @ np.abs(normal)
    corner = f"{view.GetOrientation()}   {_side(coordinate * np.abs(normal))} {abs(coordinate):.1f} mm"
    return [
        _text(corner, (0.02, 0.98), "Left", "Top"),
        _text(_side(-right), (0.02, 0.5), "Left", "Centered"),
        _text(_side(right), (0.98, 0.5), "Right", "Centered"),
        _text(_side(up), (0.5, 0.98), "Centered", "Top"),
    ]


def _side(direction) -> str:
    """The letter of the side of the patient that a direction (R, A, S) points to."""
    axis = np.abs(direction).argmax()
    return ("RAS" if direction[axis] > 0 else "LPI")[axis]


def _text(text, place, horizontal, vertical):
    actor = vtk.vtkTextActor()
    actor.SetInput(text)
    actor.GetPositionCoordinate().SetCoordinateSystemToNormalizedViewport()
    actor.SetPosition(*place)
    style = actor.GetTextProperty()
    style.SetFontSize(16)
    style.SetColor(1, 1, 0)  # as the ruler: white is lost on tissue
    style.ShadowOn()
    getattr(style, f"SetJustificationTo{horizontal}")()
    getattr(style, f"SetVerticalJustificationTo{vertical}")()
    return actor
