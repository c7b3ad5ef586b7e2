"""Lungs and opacities as DICOM segmentations."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...imaging.labels import (
    ALTERED_STRUCTURE,
    ANATOMICAL_STRUCTURE,
    LEFT,
    OPACITIES,
    RIGHT,
    STRUCTURES,
    Opacity,
    Structure,
)
from ...utils.version import RESEARCH_USE_ONLY, __version__
from . import equipment
from .codes import radlex, snomed
from .series import Source

if TYPE_CHECKING:
    from highdicom.seg import Segmentation, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.coding import Code


class Content(NamedTuple):
    """What a segmentation is of, the number of its series, and what makes it another one than others of the CT."""

    name: str
    series_number: int
    key: tuple[str, ...]


LUNGS_SERIES, OPACITIES_SERIES = 9001, 9003
"""Numbers of series; 9002 is the structured report."""

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
    present = [label for label in STRUCTURES if label in (RIGHT, LEFT) or (labels == label).any()]
    segments = [_describe_structure(label, source, origin) for label in present]
    return _write(labels, segments, Content("Lungs", LUNGS_SERIES, ("segmentation", origin)), source, path, made)


def write_opacities(
    labels: np.ndarray, source: Source, corrected: bool, path: Path, made: datetime
) -> Segmentation | None:
    """Write opacities as a DICOM segmentation of the series of their CT.

    Parameters
    ----------
    labels : ndarray of uint8, shape (z, y, x)
        1 ground glass, 2 consolidation, on the grid of the CT, slice by slice as in ``source``. Both have a segment
        even if it is empty.
    source : Source
    corrected : bool
        Whether they were corrected by hand.
    path, made
        As of `write_segmentation`.

    Returns
    -------
    Segmentation or None
        What was written; None, and no file, if there are no opacities.
    """
    if not labels.any():
        return None
    segments = [_describe_opacity(label, source, corrected) for label in OPACITIES]
    key = ("opacities", "corrected" if corrected else "as found")
    return _write(labels, segments, Content("Opacities", OPACITIES_SERIES, key), source, path, made)


def _write(
    labels: np.ndarray,
    segments: Sequence[SegmentDescription],
    content: Content,
    source: Source,
    path: Path,
    made: datetime,
) -> Segmentation:
    from highdicom.seg import Segmentation

    digest = hashlib.sha256(np.ascontiguousarray(labels).data).hexdigest()
    identity = "with identity" if source.identity is not None else "without identity"
    key = (*content.key, digest, identity, __version__, made.isoformat())
    export = Segmentation(
        source_images=source.slices,
        pixel_array=source.as_stored(labels),
        segmentation_type="BINARY",
        segment_descriptions=segments,
        series_instance_uid=source.uid(*key, "series"),
        sop_instance_uid=source.uid(*key),
        content_label=content.name.upper(),
        content_description=RESEARCH_USE_ONLY.partition(".")[0],
        series_description=f"{content.name} (research use only)",
        **equipment.equipment(content.series_number, made),
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


def _describe_structure(label: int, source: Source, origin: str) -> SegmentDescription:
    from pydicom.sr.codedict import codes

    structure = STRUCTURES[label]
    kind = algorithm_type(origin)
    family = None if kind == "MANUAL" else getattr(codes.cid7162, FAMILIES[origin.rsplit(maxsplit=1)[-1]])
    description = _describe(
        label,
        structure,
        (snomed(ANATOMICAL_STRUCTURE), snomed(structure.code)),
        source,
        (kind, origin, family),
    )
    if structure.side is not None:
        kind_of_structure = description.SegmentedPropertyTypeCodeSequence[0]
        kind_of_structure.SegmentedPropertyTypeModifierCodeSequence = [snomed(structure.side)]
    return description


def _describe_opacity(label: int, source: Source, corrected: bool) -> SegmentDescription:
    from pydicom.sr.codedict import codes

    opacity = OPACITIES[label]
    return _describe(
        label,
        opacity,
        (snomed(ALTERED_STRUCTURE), radlex(opacity.code)),
        source,
        ("SEMIAUTOMATIC" if corrected else "AUTOMATIC", opacities_by(corrected), codes.cid7162.NeighborhoodAnalysis),
    )


def opacities_by(corrected: bool) -> str:
    """How opacities were found, in words."""
    return "opacities, corrected by hand" if corrected else "opacities"


def _describe(
    label: int,
    segment: Structure | Opacity,
    codes: tuple[CodedConcept, CodedConcept],
    source: Source,
    found: tuple[str, str, Code | None],
) -> SegmentDescription:
    """A segment by the codes of its category and type; found how far by a program, by which one and of what family."""
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription

    kind, by, family = found
    algorithm = None
    if family is not None:
        algorithm = AlgorithmIdentificationSequence(f"{equipment.NAME}: {by}", family, __version__, equipment.MAKER)
    category, type_ = codes
    return SegmentDescription(
        segment_number=label,
        segment_label=segment.name,
        segmented_property_category=category,
        segmented_property_type=type_,
        algorithm_type=kind,
        algorithm_identification=algorithm,
        tracking_uid=source.uid(segment.name),
        tracking_id=segment.name,
        display_color=CIELabColor.from_rgb(*segment.colour),
    )


def _set_dimension_uid(export: Segmentation, uid: str) -> None:
    """Replace the one UID that highdicom draws at random."""
    export.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in export.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid
