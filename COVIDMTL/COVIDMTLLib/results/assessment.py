"""An assessment and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..imaging.volume import Geometry, Volume
from ..measurements import boundary_visibility
from ..models.store import Model

SCHEMA_VERSION = 1
"""Of ``assessment.json``, as ``assessment.schema.json`` describes it; raised when a key goes or changes its meaning. A
key that is new is added to the schema. Files from before it have no version, and are read as well."""


@dataclass(frozen=True)
class Assessment:
    """An assessment and what it rests on.

    Attributes
    ----------
    result : dict
        What ``assessment.json`` holds, as ``assessment.schema.json`` beside this module describes it.
    ct : Volume
        HU on the working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the working grid.
    boundary : Boundary
        Where the image shows the boundary of the lungs.
    features : dict
        The 375 features by name, as the first model that takes them has them; empty if none does.
    models : list of Model
        Those that gave a verdict.
    attention : dict
        For each task that a model on volumes has, how much each voxel of the working grid made the models say
        what they say (section 6): float32 `Volume`, 0 to 1.
    ct_geometry : Geometry
        The geometry that the CT came in.
    opacities : Volume
        1 ground glass, 2 consolidation, on the working grid.
    """

    result: dict[str, Any]
    ct: Volume
    lungs: Volume
    boundary: boundary_visibility.Boundary
    features: dict[str, float]
    models: list[Model]
    attention: dict[str, Volume]
    ct_geometry: Geometry
    opacities: Volume
