"""COVID-MTL: from a chest CT to an assessment of COVID-19 pneumonia. Research use only.

The core of the COVIDMTL and SegmentRefine modules for 3D Slicer and of the command line
``covid-mtl``, after Bao et al., Pattern Recognition 124, 2022, 108499. The names below are its
public API; all else may change. Each is imported when it is first used (PEP 562), so that
``import COVIDMTLLib`` takes next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .utils.version import RESEARCH_USE_ONLY, __version__

if TYPE_CHECKING:
    from .assessment.pipeline import assess
    from .cohort.run import assess_cohort
    from .follow.job import follow_cts
    from .imaging.io.reader import read_ct, read_mask
    from .imaging.io.writer import write_volume
    from .imaging.volume import Volume
    from .measurements.lung_features import extract_features
    from .measurements.overlap import compare_masks
    from .models.store import load_model
    from .opacities.quantification import lung_vessels, quantify_opacities
    from .patient.patient import Patient
    from .phantom import thorax as make_phantom
    from .results.assessment import Assessment
    from .segmentation.methods import segment_lungs
    from .utils.errors import InputError

__all__ = [
    "RESEARCH_USE_ONLY",
    "Assessment",
    "InputError",
    "Patient",
    "Volume",
    "__version__",
    "assess",
    "assess_cohort",
    "compare_masks",
    "extract_features",
    "follow_cts",
    "load_model",
    "lung_vessels",
    "make_phantom",
    "quantify_opacities",
    "read_ct",
    "read_mask",
    "segment_lungs",
    "write_volume",
]

_PLACES = {
    "Assessment": "results.assessment:Assessment",
    "InputError": "utils.errors:InputError",
    "Patient": "patient.patient:Patient",
    "Volume": "imaging.volume:Volume",
    "assess": "assessment.pipeline:assess",
    "assess_cohort": "cohort.run:assess_cohort",
    "compare_masks": "measurements.overlap:compare_masks",
    "extract_features": "measurements.lung_features:extract_features",
    "follow_cts": "follow.job:follow_cts",
    "load_model": "models.store:load_model",
    "lung_vessels": "opacities.quantification:lung_vessels",
    "make_phantom": "phantom:thorax",
    "quantify_opacities": "opacities.quantification:quantify_opacities",
    "read_ct": "imaging.io.reader:read_ct",
    "read_mask": "imaging.io.reader:read_mask",
    "segment_lungs": "segmentation.methods:segment_lungs",
    "write_volume": "imaging.io.writer:write_volume",
}
"""Module and name of what is imported when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, inner = _PLACES[name].partition(":")
    value = globals()[name] = getattr(import_module(f".{module}", __name__), inner)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
