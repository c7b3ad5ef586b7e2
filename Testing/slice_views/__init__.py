"""Pictures of a scene as Slicer's slice views and 3D view show it, drawn by Slicer's own displayable managers.

The views are off-screen and look at copies of the volume and the segmentations, in a scene of their own: the scene that
is pictured stays as it is, and who observes it hears nothing.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import slicer
import vtk

from .labels import labels
from .studio import studio

__all__ = ["LUNG_WINDOW", "MARGIN", "render_3d", "render_slice", "save_picture", "why_not"]

LUNG_WINDOW = (1400, -500)
"""Width and level in HU."""

MARGIN = 20
"""What a close-up shows around the segmentations, in mm."""

_SLICE_MANAGERS = ("vtkMRMLSegmentationsDisplayableManager2D", "vtkMRMLRulerDisplayableManager")
_3D_MANAGERS = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLSegmentationsDisplayableManager3D",
)


def render_slice(
    scene, ct, orientation="Axial", offset_mm=None, size=(600, 600), close_up=False, window=LUNG_WINDOW
) -> np.ndarray:
    """A slice of a CT with the segmentations of its scene, in radiological convention.

    Parameters
    ----------
    scene : vtkMRMLScene
        Its segmentation nodes are drawn as their display nodes say.
    ct : vtkMRMLScalarVolumeNode
        The background, under any transform.
    orientation : str
        ``"Axial"``, ``"Coronal"`` or ``"Sagittal"``.
    offset_mm : float, optional
        Where the slice lies in the world, in mm: its S, A or R coordinate. By default in the middle of what is framed.
    size : tuple of 2 int
        Width and height of the picture in pixels.
    close_up : bool
        Frame the visible segmentations, with a margin, rather than the whole CT.
    window : tuple of 2 float
        Width and level in HU.

    Returns
    -------
    np.ndarray
        uint8 (height, width, 3), the first row at the top.

    Raises
    ------
    ValueError
        If there is no such orientation, or nothing for a close-up.
    """
    with studio(scene, slicer.vtkMRMLSliceViewDisplayableManagerFactory, _SLICE_MANAGERS, size) as place:
        background = place.add_volume(ct, window)
        slicer.vtkMRMLSliceNode.AddDefaultSliceOrientationPresets(place.scene, True)  # patient's right on the left
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(place.application)
        logic.SetMRMLScene(place.scene)
        view = logic.AddSliceNode("Picture")
        if not view.SetOrientation(orientation):
            raise ValueError(f"There is no orientation {orientation}")
        view.SetRulerType(view.RulerTypeThin)
        view.SetRulerColor(view.RulerColorYellow)
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(background.GetID())
        logic.ResizeSliceNode(*size)
        logic.FitSliceToBackground()
        if close_up:
            _frame(view, place.bounds_of_segments())
        if offset_mm is not None:
            view.JumpSliceByOffsetting(offset_mm, offset_mm, offset_mm)  # only its coordinate across the slice counts
        place.renderer.AddViewProp(_image(logic))  # first, and so beneath what the managers add
        place.managers.SetMRMLDisplayableNode(view)
        for label in labels(view):
            place.renderer.AddViewProp(label)
        return place.picture()


def render_3d(scene, size=(600, 600)) -> np.ndarray:
    """The surfaces of the visible segmentations of a scene from the front, the patient's right on the left.

    Parameters
    ----------
    scene : vtkMRMLScene
    size : tuple of 2 int
        Width and height of the picture in pixels.

    Returns
    -------
    np.ndarray
        uint8 (height, width, 3), the first row at the top.

    Raises
    ------
    RuntimeError
        If a segmentation has no surface, or nothing in this process has brought the conversions to one along, as
        vtkSlicerSegmentationsModuleLogic does.
    """
    with studio(scene, slicer.vtkMRMLThreeDViewDisplayableManagerFactory, _3D_MANAGERS, size) as place:
        for segmentation in place.segmentations:
            if not segmentation.CreateClosedSurfaceRepresentation():
                raise RuntimeError(f"No surface can be made of {segmentation.GetName()}")
        logic = slicer.vtkMRMLViewLogic()
        logic.SetMRMLApplicationLogic(place.application)
        logic.SetMRMLScene(place.scene)
        view = logic.AddViewNode("Picture")
        view.SetBoxVisible(False)
        view.SetAxisLabelsVisible(False)
        place.managers.SetMRMLDisplayableNode(view)
        camera = place.managers.GetDisplayableManagerByClassName("vtkMRMLCameraDisplayableManager").GetCameraNode()
        camera.RotateTo(camera.Anterior)
        place.renderer.ResetCameraScreenSpace()
        return place.picture()


def save_picture(picture: np.ndarray, path) -> Path:
    """Save a picture, uint8 (height, width, 3), as PNG."""
    from matplotlib.image import imsave

    imsave(path, picture, format="png")
    return Path(path)


def why_not() -> str:
    """Why this machine cannot draw; empty if it can. VTK crashes where it cannot, so a process of its own tries it."""
    trial = (
        "import vtk; window = vtk.vtkRenderWindow(); window.OffScreenRenderingOn();"
        "window.AddRenderer(vtk.vtkRenderer()); window.Render()"
    )
    ended = subprocess.run([sys.executable, "-c", trial], capture_output=True).returncode
    return (
        f"VTK cannot draw here (its trial ended with {ended}); on Debian it needs libegl1 and libgl1" if ended else ""
    )


def _frame(view, box: vtk.vtkBoundingBox) -> None:
    """Centre a slice view on a box with `MARGIN` around it."""
    centre, lengths = np.zeros(3), np.zeros(3)
    box.GetCenter(centre)
    box.GetLengths(lengths)
    view.JumpSliceByCentering(*centre)
    axes = slicer.util.arrayFromVTKMatrix(view.GetSliceToRAS())[:3, :2].T
    across, up = np.abs(axes) @ (lengths + 2 * MARGIN)
    width, height, _ = view.GetDimensions()
    scale = max(across / width, up / height)  # mm per pixel
    view.SetFieldOfView(width * scale, height * scale, view.GetFieldOfView()[2])


def _image(logic):
    """The slice, which the logic has mapped to colours already. In Slicer, CTK's slice view has an actor for it."""
    mapper = vtk.vtkImageMapper()
    mapper.SetColorWindow(255)
    mapper.SetColorLevel(127.5)
    mapper.SetInputConnection(logic.GetImageDataConnection())
    actor = vtk.vtkActor2D()
    actor.SetMapper(mapper)
    actor.GetProperty().SetDisplayLocationToBackground()
    return actor
