"""What a structured report holds of the opacities, as groups of measurements."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...imaging.labels import ALTERED_STRUCTURE, BOTH_SIDES, LEFT_SIDE, LUNG, OPACITIES, OPACITY, RIGHT_SIDE
from ...opacities import HIGH_OPACITY
from ...utils.version import __version__
from . import equipment
from .codes import own, radlex, snomed
from .segmentation import opacities_by
from .series import Source

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import (
        Measurement,
        MeasurementProperties,
        MeasurementsAndQualitativeEvaluations,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.sr.coding import Code

    Group = MeasurementsAndQualitativeEvaluations | VolumetricROIMeasurementsAndQualitativeEvaluations

LATERALITY = {"right": RIGHT_SIDE, "left": LEFT_SIDE, "both": BOTH_SIDES}

PLACES = {
    "peripheral": "Share of the opacities that is peripheral",
    "posterior": "Share of the opacities that is posterior",
}


def groups(measures: Mapping[str, Any], segmentation: Segmentation | None, source: Source) -> list[Group]:
    """A group of the opacities in each lung that is there, in both, and of ground glass and of consolidation.

    Intervals are ranges of measurement uncertainty below and above a value, as template TID 310 has them.

    Parameters
    ----------
    measures : mapping
        ``opacities`` of ``assessment.json``.
    segmentation : Segmentation, optional
        Of the opacities, to whose segments those of ground glass and consolidation refer; they are left out without.
    source : Source
    """
    sides = [side for side in LATERALITY if measures[side]["opacity"] is not None]
    found: list[Group] = [_of_side(side, measures, source) for side in sides]
    if segmentation is not None:
        found += [_of_kind(label, measures, segmentation, source) for label in OPACITIES]
    return found


def _of_side(side: str, measures: Mapping[str, Any], source: Source) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    title = "opacities in both lungs" if side == "both" else f"opacities in the {side} lung"
    values = measures[side]
    measured = [
        _volume(values["opacity_ml"]),
        _share("opacity", "Share of the lung with opacities", values["opacity"]),
        _share("high_opacity", f"Share of the lung, opacities above {HIGH_OPACITY} HU", values["high_opacity"]),
    ]
    for zone, found in measures["zones"].items():
        if zone.endswith(side) and found["score"] is not None:
            measured.append(_share(f"zone {zone}", f"Share of the zone {zone} with opacities", found["opacity"]))
            measured.append(_number(f"score {zone}", f"Score of the zone {zone}, 0 to 4", found["score"]))
    if side == "both":
        score = measures["score"]
        sum_of_scores = f"Sum of the scores of the zones, 0 to {score['of']}"
        measured.append(_number("score", sum_of_scores, score["sum"], _interval(score, "sum", 1, _no_units())))
        places = {key: meaning for key, meaning in PLACES.items() if measures[key] is not None}
        measured += [_share(key, meaning, {"share": measures[key]}) for key, meaning in places.items()]
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(source.uid(title), title),
        finding_type=radlex(OPACITY),
        **_found_in(side, measures),
        measurements=measured,
    )


def _of_kind(
    label: int, measures: Mapping[str, Any], segmentation: Segmentation, source: Source
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    opacity = OPACITIES[label]
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(source.uid(opacity.name), opacity.name),
        referenced_segment=ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            label,
            source_series=SourceSeriesForSegmentation(source.series),
        ),
        finding_type=radlex(opacity.code),
        **_found_in("both", measures),
        measurements=[_volume(measures["both"][f"{opacity.name.replace(' ', '_')}_ml"])],
    )


def _found_in(side: str, measures: Mapping[str, Any]) -> dict[str, Any]:
    from highdicom.sr import AlgorithmIdentification, FindingSite

    by = opacities_by(measures.get("corrected", False))
    return {
        "finding_category": snomed(ALTERED_STRUCTURE),
        "finding_sites": [FindingSite(snomed(LUNG), snomed(LATERALITY[side]))],
        "algorithm_id": AlgorithmIdentification(f"{equipment.NAME}: {by}", __version__),
    }


def _volume(millilitres: float) -> Measurement:
    from highdicom.sr import CodedConcept, Measurement
    from pydicom.sr.codedict import codes

    return Measurement(codes.SCT.Volume, millilitres, CodedConcept("mL", "UCUM", "milliliter"))


def _share(key: str, meaning: str, value: Mapping[str, float]) -> Measurement:
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    percent = codes.UCUM.Percent
    properties = _interval(value, "share", 100, percent) if "low" in value else None
    name = own(f"opacities: {key}", meaning)
    return Measurement(name, round(100 * value["share"], 2), percent, properties=properties)


def _number(key: str, meaning: str, value: int, properties: MeasurementProperties | None = None) -> Measurement:
    from highdicom.sr import Measurement

    return Measurement(own(f"opacities: {key}", meaning), value, _no_units(), properties=properties)


def _no_units() -> Code:
    from pydicom.sr.codedict import codes

    return codes.UCUM.NoUnits


def _interval(value: Mapping[str, float], key: str, factor: float, unit: Code) -> MeasurementProperties:
    """How far the interval of a value reaches above and below it, in the unit of the value."""
    from highdicom.sr import CodedConcept, MeasurementProperties

    above, below = (round(factor * abs(value[end] - value[key]), 2) for end in ("high", "low"))
    properties = MeasurementProperties(upper_measurement_uncertainty=above, lower_measurement_uncertainty=below)
    for item in properties:  # highdicom gives them no unit
        item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence = [CodedConcept.from_code(unit)]
    return properties
