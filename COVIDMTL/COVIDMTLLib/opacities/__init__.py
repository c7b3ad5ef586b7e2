"""Opacities in the lungs, ground glass and consolidation: found without training, measured and scored; vessels."""

from __future__ import annotations

from .detection import CONSOLIDATION, GROUND_GLASS, HIGH_OPACITY, Opacities, corrected_opacities, find_opacities
from .measures import measure_opacities
from .vessels import find_vessels
from .wording import in_words, warnings

__all__ = [
    "CONSOLIDATION",
    "GROUND_GLASS",
    "HIGH_OPACITY",
    "Opacities",
    "corrected_opacities",
    "find_opacities",
    "find_vessels",
    "in_words",
    "measure_opacities",
    "warnings",
]
