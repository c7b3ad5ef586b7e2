"""Attention of the networks as volume nodes beside the CT that it is of."""

from __future__ import annotations

from collections.abc import Mapping

import slicer
import vtk
from COVIDMTLLib.imaging.volume import Volume

ROLE = "COVIDMTL.Attention."
"""Begins the roles of the attention nodes that the node with the assessment refers to; the task's name ends them."""

COLOURS = "vtkMRMLColorTableNodeIron"

FAINTEST = 0.1
"""Attention below which the CT shows through as it is."""


def store_attention(
    text: slicer.vtkMRMLTextNode, ct: slicer.vtkMRMLScalarVolumeNode, maps: Mapping[str, Volume]
) -> None:
    """Put attention maps into the scene, in place of those of an earlier assessment.

    Parameters
    ----------
    text : vtkMRMLTextNode
        Holds the assessment; refers to the maps from then on.
    ct : vtkMRMLScalarVolumeNode
    maps : mapping of Volume
        By the name of the task: 0 to 1, on the grid of the CT.
    """
    for role in _roles(text):
        if role.removeprefix(ROLE) not in maps:
            ct.GetScene().RemoveNode(text.GetNodeReference(role))
            text.RemoveNodeReferenceIDs(role)
    for task, volume in maps.items():
        node = text.GetNodeReference(ROLE + task) or _add(ct, task)
        text.SetNodeReferenceID(ROLE + task, node.GetID())
        to_ras = vtk.vtkMatrix4x4()
        ct.GetIJKToRASMatrix(to_ras)
        node.SetIJKToRASMatrix(to_ras)
        node.SetAndObserveTransformNodeID(ct.GetTransformNodeID())
        slicer.util.updateVolumeFromArray(node, volume.array)


def attention_nodes(text: slicer.vtkMRMLTextNode | None) -> dict[str, slicer.vtkMRMLScalarVolumeNode]:
    """The attention nodes of an assessment by the name of the task."""
    if text is None:
        return {}
    return {role.removeprefix(ROLE): text.GetNodeReference(role) for role in _roles(text)}


def attention_in(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLScalarVolumeNode]:
    """The attention nodes of all assessments in a scene."""
    texts = slicer.util.getNodesByClass("vtkMRMLTextNode", scene)
    return [node for text in texts for node in attention_nodes(text).values()]


def _roles(text: slicer.vtkMRMLTextNode) -> list[str]:
    roles: list[str] = []
    text.GetNodeReferenceRoles(roles)
    return [role for role in roles if role.startswith(ROLE) and text.GetNodeReference(role) is not None]


def _add(ct: slicer.vtkMRMLScalarVolumeNode, task: str) -> slicer.vtkMRMLScalarVolumeNode:
    node = ct.GetScene().AddNewNodeByClass("vtkMRMLScalarVolumeNode", f"{ct.GetName()} COVID-MTL attention {task}")
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetAndObserveColorNodeID(COLOURS)
    display.SetAutoWindowLevel(False)
    display.SetWindowLevelMinMax(0, 1)
    display.SetLowerThreshold(FAINTEST)
    display.SetApplyThreshold(True)
    return node
