"""Segmentation nodes as label maps of the core, and back, with Slicer's terminology and colours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import slicer
import vtk
from COVIDMTLLib import terminology
from COVIDMTLLib.errors import InputError
from COVIDMTLLib.volume import Volume

from .volumes import geometry_of

LUNG, TRACHEA = ("^".join(code) for code in (terminology.LUNG, terminology.TRACHEA))
"""SNOMED CT codes of what segments are."""

COLOURS = {"^".join(one.code): tuple(part / 255 for part in one.colour) for one in terminology.STRUCTURES.values()}

SEGMENTS = {
    label: (one.name, "^".join(one.code), "^".join(("SCT", *one.side)) if one.side else "^^")
    for label, one in terminology.STRUCTURES.items()
}
"""Name of the segment of each label, what it is and the SNOMED CT code of its side."""


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
        inside = slicer.util.arrayFromVolume(labelmap) > 0 if exported and labelmap.GetImageData() else np.False_
    if not inside.any():
        raise InputError(
            f"{segmentation.GetName()} has nothing inside {ct.GetName()}; choose a segmentation of this CT."
        )
    return Volume(inside.astype(np.uint8), geometry_of(ct))


def digest_of(lungs: Volume) -> str:
    """What tells the lungs of a segmentation, as `sides_of` gives them, from any others."""
    return hashlib.sha256(np.ascontiguousarray(lungs.array, np.uint8)).hexdigest()


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
    labels = np.zeros(ct.GetImageData().GetDimensions()[::-1], np.uint8)
    for label, (name, *_codes) in SEGMENTS.items():
        if segmentation.GetSegmentation().GetSegment(name) is not None:
            segment = slicer.util.arrayFromSegmentBinaryLabelmap(segmentation, name, ct)
            if segment is not None:
                labels[segment > 0] = label
    if not labels.any():
        raise InputError(
            f"{segmentation.GetName()} has no right and left lung inside {ct.GetName()}; press Apply to find them."
        )
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
        for label, (name, code, side) in SEGMENTS.items():
            mask = labels.array == label
            if code == LUNG or mask.any():
                slicer.util.updateVolumeFromArray(labelmap, mask.astype(np.uint8))
                _add_segment(segmentation, labelmap, name, code, side)
    segmentation.CreateDefaultDisplayNodes()


def _lung_ids(segmentation: slicer.vtkSegmentation) -> vtk.vtkStringArray:
    """The IDs of all segments but those of a trachea, by whatever name."""
    ids, tag = vtk.vtkStringArray(), vtk.reference("")
    for index in range(segmentation.GetNumberOfSegments()):
        segment = segmentation.GetNthSegment(index)
        known = segment.GetTag(segment.GetTerminologyEntryTagName(), tag)
        if not known or f"SCT^{TRACHEA}" not in str(tag):
            ids.InsertNextValue(segmentation.GetNthSegmentID(index))
    return ids


def _add_segment(segmentation, labelmap, name: str, code: str, side: str) -> None:
    added = segmentation.GetSegmentation().AddEmptySegment(name, name, COLOURS[code])
    ids = vtk.vtkStringArray()
    ids.InsertNextValue(added)
    if slicer.util.arrayFromVolume(labelmap).any():
        slicer.vtkSlicerSegmentationsModuleLogic.ImportLabelmapToSegmentationNode(labelmap, segmentation, ids)
    segment = segmentation.GetSegmentation().GetSegment(added)
    segment.SetColor(COLOURS[code])
    segment.SetNameAutoGenerated(False)
    segment.SetColorAutoGenerated(False)
    segment.SetTag(
        segment.GetTerminologyEntryTagName(),
        "Segmentation category and type - 3D Slicer General Anatomy list"
        f"~SCT^{'^'.join(terminology.ANATOMICAL_STRUCTURE)}~SCT^{code}~{side}~Anatomic codes - DICOM master list~^^~^^",
    )


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
