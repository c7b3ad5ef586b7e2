"""Whether a model can say anything of a case: one sentence for every reason why not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..features.names import in_words, values_of

BEYOND = 0.5
"""How far a feature may lie beyond all training cases, as a share of their range: further, a model has no ground."""

UNEVEN = 10.0
"""How many times larger one lung may be than the other; beyond that, one was not found, or is not there."""

PLAUSIBLE_ML = (700.0, 10_000.0)
"""Volumes of both lungs in ml, below and above which they are not those of an adult who holds the breath."""

TOLERANCE = 0.01
"""mm by which spacings in headers are off."""


def why_no_verdict(
    card: Mapping[str, Any], thickness: float, lungs: Mapping[str, Any], features: Mapping[str, float] | None
) -> str | None:
    """Why a model can say nothing of a case; None if it can.

    Parameters
    ----------
    card : mapping
        Of the model. One that is made for unseen sites, with ``largest_slice_thickness_mm``, is asked more.
    thickness : float
        Distance of the slices of the CT in mm.
    lungs : mapping
        As `density.lung_densities` gives it.
    features : mapping or None
        Unscaled, by name; None if there are none because the lungs that the model knows were not found.
    """
    if features is None and "lungs" in card:
        return (
            f"No verdict is given: the method {card['lungs']}, whose lungs the model knows, finds none in this "
            "CT; give them as a mask."
        )
    if "largest_slice_thickness_mm" not in card:
        return None
    largest = card["largest_slice_thickness_mm"]
    if thickness > largest + TOLERANCE:
        return (
            f"No verdict is given: the slices of this CT lie {thickness:.1f} mm apart, and the model is meant for "
            f"{largest:g} mm at most; give a series with thinner slices."
        )
    volume, sides = lungs["both"]["volume_ml"], [lungs[side]["volume_ml"] for side in ("right", "left")]
    if not PLAUSIBLE_ML[0] <= volume <= PLAUSIBLE_ML[1]:
        return (
            f"No verdict is given: lungs of {volume:.0f} ml are not those of an adult; look at their outline, and give "
            "a better mask if it is wrong."
        )
    if min(sides) * UNEVEN < max(sides):
        return (
            "No verdict is given: hardly more than one lung was found; look at the outline, and give a better mask if "
            "it is wrong."
        )
    values, table = values_of(features or {}, card["features"]), np.array(card["training_distribution"]["values"])
    spread = np.maximum(table[:, -1] - table[:, 0], np.finfo(float).tiny)
    beyond = np.maximum(table[:, 0] - values, values - table[:, -1]) / spread
    if beyond.max() > BEYOND:
        words = ", ".join(in_words(card["features"][int(beyond.argmax())]))
        return (
            f"No verdict is given: this CT lies far outside all that the model was trained on, farthest by {words}. "
            "Another kernel, dose or disease than there were may be why."
        )
    return None
