"""Opacities that were corrected in the scene, measured again, and the vessels beside them."""

from __future__ import annotations

import json
from typing import Any

import slicer
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.io.writer import write_volume
from COVIDMTLLib.utils.errors import InputError

from .results import (
    OPACITIES,
    OPACITIES_DIGEST,
    SEGMENTATION,
    VESSELS,
    assessment_of,
    node_of,
    part_of,
    store_opacities,
)
from .runs import Run
from .segmentations import add_lungs_node, digest_of, opacities_of, show_vessels, sides_of


class OpacitiesRun(Run):
    """Measures of the opacities of an assessment, after they were corrected by hand.

    Parameters
    ----------
    ct : vtkMRMLScalarVolumeNode
        That was assessed.

    Raises
    ------
    InputError
        If the CT was not assessed, or its lungs or opacities have gone from the scene.
    """

    def __init__(self, ct: slicer.vtkMRMLScalarVolumeNode):
        self.opacities = part_of(ct, OPACITIES)
        if self.opacities is None or part_of(ct, SEGMENTATION) is None:
            raise InputError(f"The lungs or the opacities of {ct.GetName()} are not in the scene; press Apply first.")
        super().__init__(ct)

    def _prepare(self) -> None:
        super()._prepare()
        write_volume(sides_of(part_of(self.ct, SEGMENTATION), self.ct), self.folder / "lungs.nrrd")
        corrected = opacities_of(self.opacities, self.ct)
        self._digest = digest_of(corrected)
        write_volume(corrected, self.folder / "corrected.nrrd")

    def _arguments(self) -> list[object]:
        masks = ["--lungs", self.folder / "lungs.nrrd", "--corrected", self.folder / "corrected.nrrd"]
        written = ["--out", self.folder / "opacities.nrrd", "--measures", self.folder / "measures.json"]
        return ["opacities", self._ct_file, f"--name={self.ct.GetName()}", *masks, *written]

    def finish(self) -> slicer.vtkMRMLTextNode:
        """Put the measures into the assessment in the scene; the run is over.

        Returns
        -------
        vtkMRMLTextNode
            See `store_assessment`.
        """
        self.check_scene()
        with self._temporary:
            measures = json.loads((self.folder / "measures.json").read_text(encoding="utf-8"))
            del measures["warnings"]  # those of the assessment are of the CT and its lungs
            text, assessment = self._assessment()
            text.SetText(json.dumps(assessment | {"opacities": measures}))
            text.SetAttribute(OPACITIES_DIGEST, self._digest)
            store_opacities(text, self.ct, measures)
            return text

    def _assessment(self) -> tuple[slicer.vtkMRMLTextNode, dict[str, Any]]:
        """The node of the assessment and what it holds; it may have gone meanwhile."""
        text, assessment = node_of(self.ct), assessment_of(self.ct)
        if text is None or assessment is None:
            raise InputError(f"The assessment of {self.ct.GetName()} was removed from the scene; press Apply first.")
        return text, assessment


class VesselsRun(OpacitiesRun):
    """The vessels of the lungs of an assessment, where there is none of its opacities, as they are now."""

    def _arguments(self) -> list[object]:
        return [*super()._arguments(), "--vessels", self.folder / "vessels.nrrd"]

    def finish(self) -> slicer.vtkMRMLTextNode:
        """Put the vessels into the scene, in place of earlier ones; the run is over.

        Returns
        -------
        vtkMRMLTextNode
            Of the assessment, which refers to their segmentation.
        """
        self.check_scene()
        with self._temporary:
            text, _ = self._assessment()
            node = part_of(self.ct, VESSELS) or add_lungs_node(self.ct, "vessels")
            show_vessels(read_mask(self.folder / "vessels.nrrd", empty=True), node, self.ct)
            text.SetNodeReferenceID(VESSELS, node.GetID())
            return text
