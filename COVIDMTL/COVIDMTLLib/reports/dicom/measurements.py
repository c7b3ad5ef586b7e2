"""What a structured report holds of the lungs and of each task, as groups of measurements and evaluations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...imaging.labels import ANATOMICAL_STRUCTURE, BOTH_SIDES, LEFT, LUNG, RIGHT, STRUCTURES, Code
from ...measurements.density import CONSOLIDATION, GROUND_GLASS
from ...prediction.verdicts import in_words
from ...utils.version import __version__
from . import equipment
from .codes import line, own, snomed
from .opacities import groups as of_opacities
from .series import Source

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import (
        CodedConcept,
        Measurement,
        MeasurementsAndQualitativeEvaluations,
        QualitativeEvaluation,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    from .opacities import Group

SIDES = {"right": RIGHT, "left": LEFT}


def groups(
    reported: Mapping[str, Any], source: Source, segmentation: Segmentation, opacities: Segmentation | None = None
) -> list[Group]:
    """All groups of a report.

    Parameters
    ----------
    reported : mapping
        ``lungs``, ``tasks``, ``aggregate``, ``ensemble``, ``models`` and ``opacities`` of ``assessment.json``; the
        last one may be None.
    source : Source
    segmentation : Segmentation
        Of the lungs; what is measured in one of them refers to its segment.
    opacities : Segmentation, optional
        Of the opacities, if there are any.
    """
    lungs, models = reported["lungs"], reported["models"]
    found: list[Group] = [_lung(side, lungs, segmentation, source) for side in SIDES]
    found.append(_both_lungs(lungs, source))
    if reported["opacities"] is not None:
        found += of_opacities(reported["opacities"], opacities, source)
    if reported["aggregate"] is not None:
        found.append(_aggregate(reported["aggregate"], models, source))
    for name, task in reported["tasks"].items():
        counted = [models[number] for number in task.get("models", range(len(models)))]
        found.append(_task(name, task, counted, source))
    if reported["ensemble"] is not None:
        found += [_task(name, task, [one], source) for one in models for name, task in one["tasks"].items()]
    return found


def _lung(
    side: str, lungs: Mapping[str, Any], segmentation: Segmentation, source: Source
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    from highdicom.sr import (
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )

    structure = STRUCTURES[SIDES[side]]
    assert structure.side is not None, "a lung is on a side"
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(source.uid(structure.name), structure.name),
        referenced_segment=ReferencedSegment(
            segmentation.SOPClassUID,
            segmentation.SOPInstanceUID,
            SIDES[side],
            source_series=SourceSeriesForSegmentation(source.series),
        ),
        **_of_lung(side, lungs, structure.side),
    )


def _both_lungs(lungs: Mapping[str, Any], source: Source) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(source.uid("both lungs"), "both lungs"),
        **_of_lung("both", lungs, BOTH_SIDES),
    )


def _of_lung(side: str, lungs: Mapping[str, Any], laterality: Code) -> dict[str, Any]:
    from highdicom.sr import AlgorithmIdentification, FindingSite

    values = lungs[side] | {"boundary_supported": lungs["boundary_supported"].get(side)}
    measured = (_measure(key, value) for key, value in values.items() if value is not None)
    return {
        "finding_category": snomed(ANATOMICAL_STRUCTURE),
        "finding_type": snomed(LUNG),
        "finding_sites": [FindingSite(snomed(LUNG), snomed(laterality))],
        "algorithm_id": AlgorithmIdentification(f"{equipment.NAME}: {lungs['source']}", __version__),
        "measurements": list(measured),
    }


def _measure(key: str, value: float) -> Measurement:
    """A value of a lung by the name that ``assessment.json`` has for it."""
    from highdicom.sr import CodedConcept, Measurement
    from pydicom.sr.codedict import codes

    if key == "volume_ml":
        return Measurement(codes.SCT.Volume, value, CodedConcept("mL", "UCUM", "milliliter"))
    if key == "mean_hu":
        attenuation = codes.DCM.AttenuationCoefficient
        return Measurement(attenuation, value, codes.UCUM.HounsfieldUnit, derivation=codes.SCT.Mean)
    meaning = {
        "ground_glass_share": "Share of the lung at {} to {} HU (ground glass)".format(*GROUND_GLASS),
        "consolidation_share": "Share of the lung at {} to {} HU (consolidation)".format(*CONSOLIDATION),
        "boundary_supported": "Share of its boundary that the image shows",
    }[key]
    return _percentage(key, meaning, value)


def _percentage(key: str, meaning: str, share: float) -> Measurement:
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    return Measurement(own(key, meaning), round(100 * share, 2), codes.UCUM.Percent)


def _task(
    name: str, task: Mapping[str, Any], models: Sequence[Mapping[str, Any]], source: Source
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import QualitativeEvaluation

    if "evidence" in task:
        return _evidence(name, task, models, source)
    classes = {one: own(f"{name}: {one}", one) for one in task["classes"]}
    said = classes[task["verdict"]]
    if "holds_at" in task:
        said = own(f"{name}: {task['verdict']} at home", in_words(task))
    evaluations = [QualitativeEvaluation(own("verdict", "Verdict: the most probable class"), said)]
    likely = task.get("prediction_set")
    if likely:
        share = f"{likely['coverage']:.0%}"
        among = own(f"prediction-set {share}", f"Among the classes that hold the true one in {share} of cases")
        evaluations += [QualitativeEvaluation(among, classes[one]) for one in likely["classes"]]
    measured = [
        _percentage(f"{name}: probability of {one}", f"Probability of {one}", probability)
        for one, probability in zip(task["classes"], task["probabilities"], strict=True)
    ]
    return _group(name, task["title"], models, measured, evaluations, source)


def _evidence(
    name: str, task: Mapping[str, Any], models: Sequence[Mapping[str, Any]], source: Source
) -> MeasurementsAndQualitativeEvaluations:
    """What a model says at a site that it has not seen: no class, but what the CT speaks for and how much."""
    from highdicom.sr import CodedConcept, Measurement, QualitativeEvaluation

    found, ratio = task["evidence"], CodedConcept("1", "UCUM", "no units")
    says = own(f"{name}: {task['verdict']}", f"The CT {task['verdict']}")
    evaluations = [QualitativeEvaluation(own("evidence", "What the CT says of it, at a site unseen"), says)]
    if not task.get("stability", {"stable": True})["stable"]:
        unstable = own(f"{name}: unstable", "Not stable")
        evaluations.append(QualitativeEvaluation(own("stability", "Stability of the evidence"), unstable))
    measured = [
        Measurement(own(f"{name}: {key}", meaning), round(found[key], 4), ratio)
        for key, meaning in (
            ("likelihood_ratio", "Likelihood ratio"),
            ("likelihood_ratio_low", "Likelihood ratio, low end of 95 %"),
            ("likelihood_ratio_high", "Likelihood ratio, high end of 95 %"),
        )
    ]
    below = {"negatives_below": task["classes"][0], "positives_below": task["classes"][1]}
    measured += [_percentage(f"{name}: {key}", f"Cohort below, of {of}", found[key]) for key, of in below.items()]
    measured += [
        _percentage(
            f"{name}: after {one['before']:g}",
            f"Probability after the CT, {one['before']:.0%} before",
            one["probability"],
        )
        for one in found["after"]
    ]
    for one in task.get("measures", ()):
        hu = _hounsfield()
        measured.append(Measurement(own(f"{name}: {one['name']}", one["title"]), round(one["value"], 1), hu))
    return _group(name, task["title"], models, measured, evaluations, source)


def _hounsfield() -> CodedConcept:
    from pydicom.sr.codedict import codes

    return codes.UCUM.HounsfieldUnit


def _aggregate(
    aggregate: Mapping[str, Any], models: Sequence[Mapping[str, Any]], source: Source
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import QualitativeEvaluation

    at_home = " at home" if "holds_at" in aggregate else ""
    verdict = own(f"aggregate: {aggregate['verdict']}{at_home}", in_words(aggregate))
    evaluation = QualitativeEvaluation(own("aggregate-verdict", "Positive if either diagnosis is"), verdict)
    measured = [_percentage("aggregate: probability", "Larger of the two probabilities", aggregate["probability"])]
    return _group("aggregate", "COVID-19, both diagnoses together", models, measured, [evaluation], source)


def _group(
    name: str,
    title: str,
    models: Sequence[Mapping[str, Any]],
    measurements: Sequence[Measurement],
    evaluations: Sequence[QualitativeEvaluation],
    source: Source,
) -> MeasurementsAndQualitativeEvaluations:
    from highdicom.sr import AlgorithmIdentification, MeasurementsAndQualitativeEvaluations, TrackingIdentifier

    names, versions = (", ".join(str(one[key]) for one in models) for key in ("name", "version"))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(source.uid(name, names), line(f"{name} by {names}")),
        finding_type=own(name, title),
        algorithm_id=AlgorithmIdentification(names, versions),
        measurements=measurements,
        qualitative_evaluations=evaluations,
    )
