"""The lungs as a DICOM segmentation."""

from __future__ import annotations

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...imaging.labels import ANATOMICAL_STRUCTURE, LEFT, RIGHT, STRUCTURES
from ...utils.version import RESEARCH_USE_ONLY, __version__
from . import equipment
from .codes import snomed
from .series import Source

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription

SERIES_NUMBER = 9001

FAMILIES = {
    "robust": "ArtificialIntelligence",  # a forest learns from the patient's own CT what dense lung looks like
    "active-contour": "DeformableModels",
    "classical": "MorphologicalOperations",
}
"""Families of algorithms, as context group 7162 has them, by the last word of where lungs come from."""


def write_segmentation(labels: np.ndarray, source: Source, origin: str, path: Path, made: datetime) -> Segmentation:
    """Write lungs as a DICOM segmentation of their series.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        1 right lung, 2 left lung, 3 trachea and main bronchi, on the grid of the CT, slice by slice as in ``source``.
        The lungs have a segment even if it is empty.
    source : Source
    origin : str
        Where the lungs come from, as ``assessment.json`` says it.
    path : Path
        Where to.
    made : datetime
        When. With the same time and the rest the same, the files are the same.

    Returns
    -------
    Segmentation
        What was written.
    """
    from highdicom.seg import Segmentation

    content = hashlib.sha256(np.ascontiguousarray(labels)).hexdigest()
    identity = "with identity" if source.identity is not None else "without identity"
    key = ("segmentation", content, origin, identity, __version__, made.isoformat())
    present = [label for label in STRUCTURES if label in (RIGHT, LEFT) or (labels == label).any()]
    export = Segmentation(
        source_images=source.slices,
        pixel_array=source.as_stored(labels),
        segmentation_type="BINARY",
        segment_descriptions=[_describe(label, source, origin) for label in present],
        series_instance_uid=source.uid(*key, "series"),
        sop_instance_uid=source.uid(*key),
        content_label="LUNGS",
        content_description=RESEARCH_USE_ONLY.partition(".")[0],
        series_description="Lungs (research use only)",
        **equipment.equipment(SERIES_NUMBER, made),
    )
    _set_dimension_uid(export, source.uid(*key, "dimensions"))
    source.identify(export)
    equipment.write(export, path)
    return export


def algorithm_type(origin: str) -> str:
    """How far a program found the lungs, in the standard's words: a mask that was given may be anyone's."""
    if not origin.startswith("given mask"):
        return "AUTOMATIC"
    return "MANUAL" if origin == "given mask" else "SEMIAUTOMATIC"


def _describe(label: int, source: Source, origin: str) -> SegmentDescription:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from pydicom.sr.codedict import codes

    structure = STRUCTURES[label]
    kind = algorithm_type(origin)
    algorithm = None
    if kind != "MANUAL":
        family = getattr(codes.cid7162, FAMILIES[origin.split()[-1]])
        algorithm = AlgorithmIdentificationSequence(f"{equipment.NAME}: {origin}", family, __version__, equipment.MAKER)
    description = SegmentDescription(
        segment_number=label,
        segment_label=structure.name,
        segmented_property_category=snomed(ANATOMICAL_STRUCTURE),
        segmented_property_type=snomed(structure.code),
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=source.uid(structure.name),
        tracking_id=structure.name,
        display_color=CIELabColor.from_rgb(*structure.colour),
    )
    if structure.side is not None:
        kind_of_structure = description.SegmentedPropertyTypeCodeSequence[0]
        kind_of_structure.SegmentedPropertyTypeModifierCodeSequence = [snomed(structure.side)]
    return description


def _set_dimension_uid(export: Segmentation, uid: str) -> None:
    """Replace the one UID that highdicom draws at random."""
    export.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in export.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid
