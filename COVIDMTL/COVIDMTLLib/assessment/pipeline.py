"""The main job: from one chest CT to an assessment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from ..features.extraction import MODULES as FEATURE_MODULES
from ..imaging import ct_checks
from ..imaging.io.reader import opened_study
from ..imaging.lung_crop import Crop, prepare
from ..imaging.masks.reader import read_lungs
from ..imaging.volume import Volume, to_working_grid
from ..measurements import boundary_visibility
from ..measurements.density import lung_densities
from ..measurements.lung_quality import warn_of_lungs
from ..models.card import takes_features, takes_volume
from ..models.store import DEFAULT_MODEL, Model, read_card
from ..opacities import find_opacities, measure_opacities
from ..opacities import warnings as warnings_of_opacities
from ..patient.patient import Patient, check_patient, unused
from ..prediction import likelihood_ratio
from ..prediction.abstention import why_no_verdict
from ..prediction.ensemble import judge_all, not_given, unlike_training
from ..processes.helper import aid
from ..reports import dicom as dicom_export
from ..results.assessment import SCHEMA_VERSION, Assessment
from ..segmentation import methods, plausibility
from ..segmentation.robust.chest import Chest, find_chest
from ..utils import atomic_files
from ..utils.errors import InputError
from ..utils.optional_imports import check_installed, require
from ..utils.progress import Callback, Steps, Update, silent
from ..utils.software import software
from ..utils.text import printable
from ..utils.version import RESEARCH_USE_ONLY
from .existing_files import check_not_ct, digests, keep_others
from .known_lungs import KnownLungs, add_stability, features_of
from .output import write_files
from .requirements import load_late, modules_of, several

REFINEMENTS = ("robust", "active-contour", "none")
GRIDS = ("ct", "working")

SYNTHETIC = "This CT is synthetic: it was drawn by a program to show how the software works and is of no patient."

NO_VERDICTS: dict[str, Any] = {"tasks": {}, "aggregate": None, "ensemble": None, "models": []}
"""What is said of a part of a chest, of which only measures are given."""

STEPS = {"read": 1, "resample": 1, "lungs": 3, "opacities": 2, "features": 6, "network": 1, "report": 2}
"""The steps of an assessment and about how long each takes, in seconds on two cores."""


def assess(
    ct: str | Path | Volume,
    out: str | Path | None = None,
    *,
    lungs: str | Path | Volume | None = None,
    model: str | Path | Model | Sequence[str | Path | Model] = DEFAULT_MODEL,
    refine: str | None = None,
    series: str | None = None,
    grid: str = "ct",
    name: str | None = None,
    device: str = "auto",
    age: float | None = None,
    sex: str | None = None,
    labs: str | Path | Mapping[str, Any] | None = None,
    patient: Patient | None = None,
    prior: float | str | None = None,
    synthetic: bool = False,
    dicom: bool = False,
    keep_identity: bool = False,
    progress: Callback = silent,
) -> Assessment:
    """Assess one chest CT. Research use only.

    Parameters
    ----------
    ct : path or Volume
        Image file or DICOM study, or a volume in HU of any geometry.
    out : path, optional
        Folder for ``assessment.json``, ``lungs.nrrd``, ``opacities.nrrd`` and ``report.html``, ``features.csv`` if a
        model takes features, and ``attention_TASK.nrrd`` if one takes the volume. It is left as it was if anything goes
        wrong. Of files there, only those that the program wrote and nobody changed are replaced; others, and ``lungs``,
        are kept under another name, as ``lungs_kept.nrrd``.
    lungs : path or Volume, optional
        Lung mask, on any grid, as `masks.reader.read_lungs` reads it; segmented if there is none.
    model : str, path or Model, or several
        Name of a shipped model, or a model folder or a zip of it, or one that is loaded. Of several, the verdicts
        stand side by side and are aggregated (see `ensemble.combine`).
    refine : {"robust", "active-contour", "none"}, optional
        Refinement of the lungs; by default a given mask is taken as it is, and without one ``robust`` finds the
        lungs, dense lung too. The lungs of the cohort, and so the features that the shipped models were trained on,
        are as of ``active-contour``, Algorithm 1 of the paper; ``none`` leaves it out.
    series : str, optional
        Series of a DICOM study, as `inspection` names it; chosen by the program if left out.
    grid : {"ct", "working"}
        Geometry of the masks: that of the CT, or the 1 mm working grid.
    name : str, optional
        What to call the CT; the name of its file by default.
    device : str
        Where to run the network: "auto", "cpu", "cuda", "mps" (see `device.choose_device`).
    age : float, optional
        Of the patient, in years.
    sex : {"female", "male"}, optional
        Of the patient.
    labs : path or mapping, optional
        Laboratory values, as `patient.check_patient` takes them; which of them count is up to the model.
    patient : Patient, optional
        Age, sex and laboratory values in one, in place of the three.
    prior : float, optional
        Probability of COVID-19 before the CT, above 0 and below 1, for a model that gives likelihood ratios.
    synthetic : bool
        Say everywhere that the CT is not of a patient.
    dicom : bool
        For a DICOM study: also write ``lungs.dcm`` and, if there are any, ``opacities.dcm``, segmentations, and
        ``assessment.dcm``, a structured report.
    keep_identity : bool
        In these carry patient and study as the series has them, instead of leaving them out (see `reports.dicom`).
    progress : Callback, optional
        Is told step, share done and a line of text; what it raises ends the job.

    Returns
    -------
    Assessment
        What was found, with the volumes that it rests on.

    Raises
    ------
    InputError
        With one sentence on what is wrong with the input and what to do.
    MissingPackage
        If a package that the job needs, such as scikit-image or PyTorch, is not installed or damaged.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> assessment = covidmtl.assess("ct.nrrd", out="results")
    >>> tasks, reason = assessment.result["tasks"], assessment.result["no_verdict"]
    >>> bool(tasks) != bool(reason)
    True
    """
    patient, prior = check_patient(age, sex, labs, patient), likelihood_ratio.check_prior(prior)
    refine = refine or (methods.DEFAULT_METHOD if lungs is None else "none")
    check_choices(refine, grid)
    dicom_export.check_wanted(ct, dicom, keep_identity)
    cards = [one.card if isinstance(one, Model) else read_card(one) for one in several(model)]
    segmented, torch = lungs is None or refine != "none", any(map(takes_volume, cards))
    now, later = modules_of(segmented, torch, out is not None, dicom)
    check_installed(*now, *later)
    require(*now)
    steps = Steps(progress, STEPS)
    source, mask, of_choice = None, None, []

    with ExitStack() as stack:
        folder = None
        if out is not None:
            paths = [None if isinstance(one, Volume) or one is None else Path(one) for one in (ct, lungs)]
            check_not_ct([Path(out) / "lungs.nrrd"], paths[0])
            before = partial(keep_others, Path(out), ct=paths[0], given=paths[1:])
            folder = stack.enter_context(atomic_files.staged_folder(out, before))
        with steps.step("read", "Reading the CT"):
            if isinstance(ct, Volume):
                name = name or "The volume"
                ct_checks.check_ct(ct, name)
            else:
                name = name or Path(ct).name
                with opened_study(ct, series) as study:
                    ct, series, of_choice = study.ct, study.series, study.warnings
                    source = dicom_export.source_of(study, name, keep_identity) if dicom else None
            if lungs is not None and not isinstance(lungs, Volume):
                mask = read_lungs(lungs, ct)
                lungs = mask.volume
        helper = stack.enter_context(aid(*FEATURE_MODULES)) if any(map(takes_features, cards)) else None
        # What takes long to import is imported while the lungs are found, and not for a CT that cannot be read.
        loading = stack.enter_context(ThreadPoolExecutor(1)).submit(load_late, later, model, device)
        name = printable(name)
        with steps.step("resample", "Resampling to 1 mm"):
            working = to_working_grid(ct)
        with steps.step("lungs", "Finding the lungs") as update:
            chest = plausibility.check_field_of_view(working, name) if segmented else find_chest(working.array)
            known = KnownLungs(cards, None if lungs is not None else refine)
            known.start(working, name, chest, helper)
            known.measured = labels = _find_lungs(working, lungs, refine, name, update, chest)
            boundary = boundary_visibility.find_boundary(working, labels)
        with steps.step("opacities", "Finding opacities"):
            found = find_opacities(working, labels)
            opacities = measure_opacities(working, labels, found)
        models = loading.result()
        measures = lung_densities(working, labels)
        no_verdict = plausibility.no_verdict(labels.array, working.array, name)
        if no_verdict:
            models = []
        features: list[dict[str, float] | None] = [None] * len(models)
        if any(one.takes_features for one in models):
            with steps.step("features", "Computing 375 features") as update:
                features = features_of(models, working, known, update, helper)
        thickness = ct.geometry.spacing[ct_checks.axial_axis(ct.geometry)]
        refused = [
            why_no_verdict(one.card, thickness, measures, own) for one, own in zip(models, features, strict=True)
        ]
        shown = next((one for one in features if one is not None), None) or {}
        if models and all(refused):
            no_verdict = " ".join(dict.fromkeys(filter(None, refused)))
        kept = [number for number, why in enumerate(refused) if not why]
        asked = models
        models, features = [models[number] for number in kept], [features[number] for number in kept]
        with steps.step("network", "Assessing"):
            inputs = [_input(one, working, labels) for one in models]
            verdicts = NO_VERDICTS if no_verdict else judge_all(models, features, inputs, patient.known, prior)
            attention: dict[str, Volume] = {}
            if any(one.takes_volume for one in models):
                from ..prediction.case_attention import attention_of  # which imports PyTorch

                judged, place = verdicts["tasks"], working.geometry
                attention = attention_of(models, features, inputs, judged, place, patient.known)
            unstable = add_stability(verdicts, models, features, ct, working, known)

        result = {
            "schema_version": SCHEMA_VERSION,
            "research_use_only": RESEARCH_USE_ONLY,
            "case": name,
            "synthetic": synthetic,
            "warnings": [
                *([SYNTHETIC] if synthetic else []),
                *([no_verdict] if no_verdict else dict.fromkeys(filter(None, refused))),
                *unstable,
                *of_choice,
                *ct_checks.warn_about(ct),
                *(mask.warnings if mask else []),
                *warn_of_lungs(working, labels, name, chest),
                *boundary_visibility.warnings(boundary.shares),
                *warnings_of_opacities(opacities),
                *unlike_training(verdicts["models"]),
                *_unused(patient, models),
            ],
            **verdicts,
            "no_verdict": no_verdict,
            "not_given": not_given(models, verdicts["tasks"]),
            "prior": prior,
            "patient": asdict(patient),
            "lungs": {"source": origin(lungs is not None, refine)}
            | ({"mask": mask.taken} if mask else {})
            | measures
            | {"boundary_supported": boundary.shares},
            "opacities": opacities,
            "features_of": next((known.name(one) for one in asked if one.takes_features), None),
            "ct": {"size": list(ct.geometry.size), "spacing_mm": list(ct.geometry.spacing), "series": series}
            | {"series_note": " ".join(of_choice)},
            "software": software(),
            "seconds": steps.seconds,
        }
        assessment = Assessment(result, working, labels, boundary, shown, models, attention, ct.geometry, found.labels)
        if folder is not None:
            with steps.step("report", "Writing the report"):
                write_files(assessment, folder, grid, source)
            result["files"] = digests(folder)
            # Only now is the time of the last step known.
            (folder / "assessment.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return assessment


def check_choices(refine: str, grid: str) -> None:
    """Raise `InputError` for a refinement or a grid that there is not."""
    if refine not in REFINEMENTS:
        raise InputError(f"There is no refinement {refine}; choose one of {', '.join(REFINEMENTS)}.")
    if grid not in GRIDS:
        raise InputError(f"There is no grid {grid}; choose one of {', '.join(GRIDS)}.")


def _find_lungs(ct: Volume, given: Volume | None, refine: str, name: str, update: Update, chest: Chest) -> Volume:
    if given is not None and refine == "none":
        return methods.given_lungs(given, ct, name, chest)
    return methods.segment(ct, "classical" if refine == "none" else refine, given, update, name, chest=chest)


def _input(model: Model, ct: Volume, lungs: Volume) -> Volume | None:
    return prepare(ct, lungs.array, Crop(**model.card["input"])) if model.takes_volume else None


def _unused(patient: Patient, models: Sequence[Model]) -> list[str]:
    used = {value for one in models for value in one.patient_values}
    return unused(patient, used, [one.card["name"] for one in models])


def origin(given: bool, refine: str) -> str:
    """Where lungs come from, in words: from a given mask or not, and how refined."""
    if not given and refine == "robust":
        return refine
    first = "given mask" if given else "classical"
    return first if refine == "none" else f"{first}, refined by {refine}"
