"""An assessment as a DICOM structured report: template TID 1500, as a comprehensive SR."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...utils.version import __version__
from . import equipment
from .codes import SCHEME, SCHEME_NAME, own
from .measurements import groups
from .series import Source

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import ComprehensiveSR, MeasurementReport, ObservationContext
    from pydicom import Dataset

SERIES_NUMBER = 9002

REPORTED = ("research_use_only", "warnings", "tasks", "aggregate", "ensemble", "models", "lungs")
"""What of ``assessment.json`` the report is made of: not what the case is called, nor what is known of the patient."""

SINCE: tuple[tuple[str, object], ...] = (("no_verdict", ""), ("not_given", []), ("opacities", None))
"""What is reported of results that have it, and what is taken of those of earlier versions: what is not said and why,
and the opacities."""


def write_report(
    result: Mapping[str, Any],
    segmentation: Segmentation,
    source: Source,
    path: Path,
    made: datetime,
    opacities: Segmentation | None = None,
) -> ComprehensiveSR:
    """Write an assessment as a DICOM structured report, preliminary and verified by no one.

    Parameters
    ----------
    result : mapping
        What ``assessment.json`` holds.
    segmentation : Segmentation
        Of the lungs, which the report refers to.
    source : Source
    path : Path
        Where to.
    made : datetime
        When. With the same time and the rest the same, the files are the same.
    opacities : Segmentation, optional
        Of the opacities, if it was written.

    Returns
    -------
    ComprehensiveSR
        What was written.
    """
    from highdicom.coding_schemes import CodingSchemeIdentificationItem
    from highdicom.sr import ComprehensiveSR

    reported = {key: result[key] for key in REPORTED} | {key: result.get(key) or default for key, default in SINCE}
    content = hashlib.sha256(json.dumps(reported, sort_keys=True).encode()).hexdigest()
    segmentations = [one for one in (segmentation, opacities) if one is not None]
    key = ("report", *(one.SOPInstanceUID for one in segmentations), content)
    export = ComprehensiveSR(
        evidence=[*source.slices, *segmentations],
        content=_content(reported, segmentations, source)[0],
        series_instance_uid=source.uid(*key, "series"),
        sop_instance_uid=source.uid(*key),
        series_description="Assessment of COVID-19 (research use only)",
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[CodingSchemeIdentificationItem(SCHEME, name=SCHEME_NAME, version=__version__)],
        **equipment.equipment(SERIES_NUMBER, made),
    )
    source.identify(export)
    equipment.write(export, path)
    return export


def _content(reported: Mapping[str, Any], segmentations: Sequence[Segmentation], source: Source) -> MeasurementReport:
    from highdicom.sr import CodedConcept, ContainerContentItem, ContentSequence, MeasurementReport, TextContentItem

    report = MeasurementReport(
        observation_context=_observed_by(source),
        procedure_reported=CodedConcept("169069000", "SCT", "CT of chest"),
        imaging_measurements=groups(reported, source, *segmentations),
    )
    texts = [(own("intended-use", "Intended use"), reported["research_use_only"])]
    texts += [(own("warning", "Warning"), text) for text in reported["warnings"] if text != reported["no_verdict"]]
    if reported["no_verdict"]:
        texts.append((own("no-verdict", "No verdict"), reported["no_verdict"]))
    texts += [(own("not-given", "No verdict"), f"{one['title']}: {one['reason']}") for one in reported["not_given"]]
    evaluations = ContainerContentItem(
        CodedConcept("C0034375", "UMLS", "Qualitative Evaluations"), relationship_type="CONTAINS"
    )
    evaluations.ContentSequence = ContentSequence(
        [TextContentItem(name, text, relationship_type="CONTAINS") for name, text in texts]
    )
    report[0].ContentSequence.append(evaluations)
    _separate(report[0])
    return report


def _separate(item: Dataset) -> None:
    """Have all that a container holds shown by itself and by name: viewers may make a running text of it otherwise."""
    if item.ValueType == "CONTAINER":
        item.ContinuityOfContent = "SEPARATE"
        for one in item.ContentSequence:
            _separate(one)


def _observed_by(source: Source) -> ObservationContext:
    from highdicom.sr import DeviceObserverIdentifyingAttributes, ObservationContext, ObserverContext
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(
        uid=source.uid("device", equipment.NAME, __version__),
        name=equipment.NAME,
        manufacturer_name=equipment.MAKER,
        model_name=f"{equipment.NAME} {__version__}",
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))
