"""Segmentation nodes as label maps of the core, and back, with Slicer's terminology and colours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import slicer
import vtk
from COVIDMTLLib.imaging import labels as mask_labels
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.utils.errors import InputError

from .volumes import geometry_of


class Segment(NamedTuple):
    """How a label of a mask is shown.

    Its name, its terminology entry, a colour (RGB, 0 to 1), and whether there is a segment even if it is empty.
    """

    name: str
    entry: str
    colour: tuple[float, float, float]
    always: bool


def _segment(name: str, entry: tuple, colour: tuple[int, int, int], always: bool) -> Segment:
    """A segment by its terminology entry: scheme and code of the category, of what it is, and of its side."""
    contexts = "Segmentation category and type - 3D Slicer General Anatomy list", "Anatomic codes - DICOM master list"
    parts = ("^".join((scheme, *code)) if code else "^^" for scheme, code in entry)
    text = "~".join((contexts[0], *parts, contexts[1], "^^", "^^"))
    red, green, blue = (part / 255 for part in colour)
    return Segment(name, text, (red, green, blue), always)


TRACHEA = "^".join(("SCT", *mask_labels.TRACHEA))

FILL = 0.25
"""Opacity with which opacities are filled in slices: the lung under them stays visible."""

SEGMENTS, VESSELS = (
    {
        label: _segment(
            one.name,
            (("SCT", mask_labels.ANATOMICAL_STRUCTURE), ("SCT", one.code), ("SCT", one.side)),
            one.colour,
            one.code != mask_labels.TRACHEA,
        )
        for label, one in structures.items()
    }
    for structures in (mask_labels.STRUCTURES, mask_labels.VESSELS)
)
"""Of each label of lungs, and of vessels."""

OPACITIES = {
    label: _segment(
        one.name,
        (("SCT", mask_labels.ALTERED_STRUCTURE), (mask_labels.RADLEX, one.code), ("SCT", None)),
        one.colour,
        True,
    )
    for label, one in mask_labels.OPACITIES.items()
}
"""Of each label of opacities."""


def labels_of(segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """All segments of a segmentation node together but for a trachea, as a mask on the grid of a CT.

    Returns
    -------
    Volume
        uint8 (z, y, x): 1 in any of the segments, 0 elsewhere, with the geometry that the CT has in the world.

    Raises
    ------
    InputError
        If the segmentation is empty or lies outside the CT.
    """
    with _temporary_labelmap(ct.GetScene()) as labelmap:
        logic = slicer.vtkSlicerSegmentationsModuleLogic
        ids = _lung_ids(segmentation.GetSegmentation())
        if not ids.GetNumberOfValues():
            raise InputError(f"{segmentation.GetName()} has no segment; segment the lungs or choose another one.")
        exported = logic.ExportSegmentsToLabelmapNode(segmentation, ids, labelmap, ct)
        found = exported and labelmap.GetImageData()
        inside: np.ndarray = slicer.util.arrayFromVolume(labelmap) > 0 if found else np.zeros(1, bool)
    if not inside.any():
        raise InputError(
            f"{segmentation.GetName()} has nothing inside {ct.GetName()}; choose a segmentation of this CT."
        )
    return Volume(inside.astype(np.uint8), geometry_of(ct))


def digest_of(lungs: Volume) -> str:
    """What tells the lungs of a segmentation, as `sides_of` gives them, from any others."""
    return hashlib.sha256(np.ascontiguousarray(lungs.array, np.uint8).data).hexdigest()


def sides_of(segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """What `show_lungs` put into a segmentation node, as labels on the grid of a CT, with corrections made since.

    Returns
    -------
    Volume
        uint8 (z, y, x): 1 right lung, 2 left lung, 3 trachea and main bronchi, with the geometry that the CT has in
        the world.

    Raises
    ------
    InputError
        If the segmentation has neither lung inside the CT.
    """
    labels = _labels_in(segmentation, ct, SEGMENTS)
    if not labels.array.any():
        raise InputError(
            f"{segmentation.GetName()} has no right and left lung inside {ct.GetName()}; press Apply to find them."
        )
    return labels


def opacities_of(segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode) -> Volume:
    """What `show_opacities` put into a segmentation node, as labels on the grid of a CT, with corrections made since.

    Returns
    -------
    Volume
        uint8 (z, y, x): 1 ground glass, 2 consolidation; all 0 if there are none.

    Raises
    ------
    InputError
        If both segments have gone.
    """
    names = [segment.name for segment in OPACITIES.values()]
    if not any(segmentation.GetSegmentation().GetSegment(name) for name in names):
        raise InputError(
            f"{segmentation.GetName()} has no segment {' or '.join(names)}; draw one under that name or press Apply."
        )
    return _labels_in(segmentation, ct, OPACITIES)


def _labels_in(segmentation, ct, segments: Mapping[int, Segment]) -> Volume:
    labels = np.zeros(ct.GetImageData().GetDimensions()[::-1], np.uint8)
    for label, (name, *_rest) in segments.items():
        if segmentation.GetSegmentation().GetSegment(name) is not None:
            segment = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, ct)
            if segment is not None:
                labels[segment > 0] = label
    return Volume(labels, geometry_of(ct))


def add_lungs_node(ct: slicer.vtkMRMLScalarVolumeNode, title: str = "lungs") -> slicer.vtkMRMLSegmentationNode:
    """Add an empty segmentation node, named after a CT, to its scene."""
    scene = ct.GetScene()
    return scene.AddNewNodeByClass("vtkMRMLSegmentationNode", scene.GenerateUniqueName(f"{ct.GetName()} {title}"))


def show_lungs(
    labels: Volume, segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode
) -> None:
    """Put the lungs into a segmentation node, in place of what it held, beside the CT they are of.

    Parameters
    ----------
    labels : Volume
        1 right lung, 2 left lung, 3 trachea and main bronchi, on the grid of the CT. The lungs have a segment even if
        it is empty.
    segmentation : vtkMRMLSegmentationNode
        Comes under the transform that the CT is under.
    ct : vtkMRMLScalarVolumeNode

    Raises
    ------
    ValueError
        If the labels are not on the grid of the CT.
    """
    _show(labels, segmentation, ct, SEGMENTS)


def show_opacities(
    labels: Volume, segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode
) -> None:
    """Put opacities into a segmentation node, as `show_lungs` does lungs; they are drawn as outlines, lightly filled.

    Parameters
    ----------
    labels : Volume
        1 ground glass, 2 consolidation, on the grid of the CT.
    segmentation, ct
        As of `show_lungs`.
    """
    _show(labels, segmentation, ct, OPACITIES)
    segmentation.GetDisplayNode().SetOpacity2DFill(FILL)


def show_vessels(
    labels: Volume, segmentation: slicer.vtkMRMLSegmentationNode, ct: slicer.vtkMRMLScalarVolumeNode
) -> None:
    """Put vessels, 1 on the grid of the CT, into a segmentation node, as `show_opacities` does opacities."""
    _show(labels, segmentation, ct, VESSELS)
    segmentation.GetDisplayNode().SetOpacity2DFill(FILL)


def _show(labels: Volume, segmentation, ct, segments: Mapping[int, Segment]) -> None:
    if labels.array.shape != ct.GetImageData().GetDimensions()[::-1]:
        raise ValueError(f"labels of shape {labels.array.shape} are not on the grid of {ct.GetName()}")
    segmentation.GetSegmentation().RemoveAllSegments()
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    segmentation.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
    with _temporary_labelmap(ct.GetScene()) as labelmap:
        to_ras = vtk.vtkMatrix4x4()
        ct.GetIJKToRASMatrix(to_ras)
        labelmap.SetIJKToRASMatrix(to_ras)
        labelmap.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
        for label, segment in segments.items():
            mask = labels.array == label
            if segment.always or mask.any():
                slicer.util.updateVolumeFromArray(labelmap, mask.astype(np.uint8))
                _add_segment(segmentation, labelmap, segment)
    segmentation.CreateDefaultDisplayNodes()


def _lung_ids(segmentation: slicer.vtkSegmentation) -> vtk.vtkStringArray:
    """The IDs of all segments but those of a trachea, by whatever name."""
    ids, tag = vtk.vtkStringArray(), vtk.reference("")
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        known = segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        if not known or TRACHEA not in str(tag):
            ids.InsertNextValue(segmentation.GetNthSegmentID(index))
    return ids


def _add_segment(segmentation, labelmap, segment: Segment) -> None:
    added = segmentation.GetSegmentation().AddEmptySegment(segment.name, segment.name, segment.colour)
    ids = vtk.vtkStringArray()
    ids.InsertNextValue(added)
    if slicer.util.arrayFromVolume(labelmap).any():
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, segmentation, ids)
    node = segmentation.GetSegmentation().GetSegment(added)
    node.SetColor(segment.colour)
    node.SetNameAutoGenerated(False)
    node.SetColorAutoGenerated(False)
    node.SetTag(node.GetTerminologyEntryTagName(), segment.entry)


@contextmanager
def _temporary_labelmap(scene: slicer.vtkMRMLScene) -> Iterator[slicer.vtkMRMLLabelMapVolumeNode]:
    node = scene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "__temporary__")
    try:
        yield node
    finally:
        display = node.GetDisplayNode()
        scene.RemoveNode(node)
        if display is not None:
            scene.RemoveNode(display.GetColorNode())
            scene.RemoveNode(display)
