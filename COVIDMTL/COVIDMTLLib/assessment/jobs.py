"""The jobs of the command line, each run in a process of its own: paths in, files and plain values out."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..features.extraction import BUILT_IN, engine_modules, lung_features
from ..imaging import bspline
from ..imaging.io import writer
from ..imaging.io.reader import opened_study, read_ct, read_mask
from ..imaging.labels import AIRWAYS
from ..imaging.masks.reader import read_lungs
from ..imaging.volume import labels_on, to_working_grid
from ..measurements import boundary_visibility
from ..measurements.density import lung_densities
from ..measurements.lung_quality import warn_of_lungs
from ..measurements.overlap import compare_masks
from ..opacities import corrected_opacities, find_opacities, find_vessels, measure_opacities
from ..opacities import warnings as warnings_of_opacities
from ..processes.helper import aid
from ..reports import dicom
from ..segmentation import methods, plausibility
from ..segmentation.airways import NOT_FOUND, without_airways
from ..utils.errors import InputError
from ..utils.optional_imports import require
from ..utils.progress import Callback, Steps
from ..utils.text import printable
from . import pipeline
from .output import write_features


def assess(ct: Path, folder: Path, *, progress: Callback, **options: Any) -> dict[str, Any]:
    """`pipeline.assess`, for the content of ``assessment.json`` alone."""
    return pipeline.assess(ct, folder, progress=progress, **options).result


def demo(
    seed: int, ground_glass: float, consolidation: float, folder: Path, *, progress: Callback, **options: Any
) -> dict[str, Any]:
    """Make a synthetic CT, write it as ``ct.nrrd`` and assess it."""
    require("SimpleITK", "scipy.interpolate", "scipy.ndimage")
    from ..phantom import thorax

    progress("phantom", 0.0, "Making a synthetic CT")
    phantom = thorax(seed, ground_glass=ground_glass, consolidation=consolidation)
    writer.write_volume(phantom.ct, folder / "ct.nrrd")
    name = f"synthetic CT, seed {seed}"
    return pipeline.assess(phantom.ct, folder, name=name, synthetic=True, progress=progress, **options).result


class LungOptions(NamedTuple):
    """What the job `segment` can be told.

    How, a file with lungs to start from, the series, ``"ct"`` to write on the grid of the CT, whether DICOM says whose
    the CT is, and what to call it.
    """

    how: methods.SegmentationOptions = methods.SegmentationOptions()
    initial: Path | None = None
    series: str | None = None
    grid: str = "ct"
    keep_identity: bool = False
    name: str | None = None


def segment(ct: Path, out: Path, options: LungOptions, *, progress: Callback) -> dict[str, Any] | None:
    """Segment the lungs of a CT, all or one slice, and write the mask.

    Returns
    -------
    dict or None
        Of whole lungs, volumes, densities and ``boundary_supported`` as ``assessment.json`` has them, and
        ``warnings``.
    """
    how, initial = options.how, options.initial
    name = printable(options.name or ct.name)
    as_dicom, source = writer.is_dicom(out), None
    dicom.check_wanted(ct, as_dicom, options.keep_identity)
    if as_dicom and options.grid != "ct":
        raise InputError("A DICOM segmentation lies on the slices of its CT; leave out --grid or write another format.")
    require(*methods.MODULES, *(dicom.MODULES if as_dicom else ()))
    steps = Steps(progress, {"read": 1, "resample": 1, "lungs": 3, "write": 1})
    with steps.step("read", "Reading the CT"):
        with opened_study(ct, options.series) as study:
            volume = study.ct
            if as_dicom:
                source = dicom.source_of(study, name, options.keep_identity)
        given = read_lungs(initial, volume) if initial is not None else None
    with steps.step("resample", "Resampling to 1 mm"):
        working = to_working_grid(volume)
    with steps.step("lungs", "Finding the lungs") as update:
        target = volume.geometry if options.grid == "ct" else None
        chest = plausibility.check_field_of_view(working, name)
        labels = methods.segment(working, how, given.volume if given else None, update, name, target, chest)
        measures = None
        if how.through is None:
            lungs = without_airways(labels)
            shares = boundary_visibility.find_boundary(working, lungs).shares
            warnings = [*study.warnings, *(given.warnings if given else [])]
            warnings += [*warn_of_lungs(working, lungs, name, chest), *boundary_visibility.warnings(shares)]
            if how.airways and not np.any(labels.array == AIRWAYS):
                warnings.append(NOT_FOUND)
            measures = lung_densities(working, lungs) | {"boundary_supported": shares, "warnings": warnings}
    with steps.step("write", "Writing the mask"):
        if source is None:
            writer.write_volume(labels, out, target)
        else:
            found_by = pipeline.origin(initial is not None, "none" if how.method == "classical" else how.method)
            on_ct = labels_on(labels, volume.geometry).array
            dicom.write_segmentation(on_ct, source, found_by, out, datetime.now())
    return measures


def features(ct: Path, mask: Path, out: Path, series: str | None, engine: str, *, progress: Callback) -> list[str]:
    """Compute the features of a CT within a mask and write the table; returns warnings."""
    modules = engine_modules(engine)
    require("SimpleITK", *bspline.MODULES, *modules)
    steps = Steps(progress, {"read": 1, "resample": 1, "features": 6})
    with aid(*modules) if engine == BUILT_IN else nullcontext() as helper:
        with steps.step("read", "Reading the CT"):
            volume = read_ct(ct, series)
            given = read_lungs(mask, volume)
        with steps.step("resample", "Resampling to 1 mm"):
            working = to_working_grid(volume)
            lungs = methods.mask_on(given.volume, working)
        with steps.step("features", "Computing 375 features") as update:
            write_features(lung_features(working, lungs.array, update, helper, engine), out)
    return given.warnings


class OpacityOptions(NamedTuple):
    """What the job `opacities` can be told.

    Files with the lungs and with corrected opacities, the series, ``"ct"`` to write on the grid of the CT, what to
    call the CT, and a file to write with the vessels.
    """

    lungs: Path | None = None
    corrected: Path | None = None
    series: str | None = None
    grid: str = "ct"
    name: str | None = None
    vessels: Path | None = None


def opacities(ct: Path, out: Path, options: OpacityOptions, *, progress: Callback) -> dict[str, Any]:
    """Find the opacities in lungs that are given or found by ``robust``, or take corrected ones, and write the mask.

    Returns
    -------
    dict
        `opacities.measure_opacities`, ``warnings``, whether they were ``corrected``, and ``vessels_ml`` if vessels are
        asked for.
    """
    name = printable(options.name or ct.name)
    require(*methods.MODULES)
    more = {} if options.vessels is None else {"vessels": 4}
    steps = Steps(progress, {"read": 1, "resample": 1, "lungs": 3, "opacities": 2, **more, "write": 1})
    with steps.step("read", "Reading the CT"):
        with opened_study(ct, options.series) as study:
            volume, warnings = study.ct, [*study.warnings]
        given = read_lungs(options.lungs, volume) if options.lungs is not None else None
        corrected = read_mask(options.corrected, empty=True) if options.corrected is not None else None
    with steps.step("resample", "Resampling to 1 mm"):
        working = to_working_grid(volume)
    with steps.step("lungs", "Finding the lungs") as update:
        lungs, chest = methods.lungs_of(working, given.volume if given else None, name, update)
        warnings += given.warnings if given else []
    with steps.step("opacities", "Finding opacities"):
        found = find_opacities(working, lungs) if corrected is None else corrected_opacities(corrected, lungs)
        measures = measure_opacities(working, lungs, found)
        warnings += [*warn_of_lungs(working, lungs, name, chest), *warnings_of_opacities(measures)]
    target = volume.geometry if options.grid == "ct" else None
    if options.vessels is not None:
        with steps.step("vessels", "Finding vessels"):
            vessels = find_vessels(working, lungs, found.labels)
            measures["vessels_ml"] = round(np.count_nonzero(vessels.array) * working.geometry.voxel_volume, 1)
            writer.write_volume(vessels, options.vessels, target)
    with steps.step("write", "Writing the mask"):
        writer.write_volume(found.labels, out, target)
    return measures | {"corrected": corrected is not None, "warnings": warnings}


def compare(predicted: Path, reference: Path, *, progress: Callback) -> dict[str, float]:
    """`overlap.compare_masks` of two files."""
    return compare_masks(read_lungs(predicted).volume, read_lungs(reference).volume)
