"""Measures of opacities in words, and what there is to be warned of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

AT_THE_BACK, LIGHT, NOTABLE = 0.5, 0.15, 0.01
"""Gravity-dependent density is likely if so much of the opacities lies at the back, no more of them is consolidation,
and each lung has at least that share of opacities."""


def warnings(measures: Mapping[str, Any]) -> list[str]:
    """Warnings about opacities that may be none.

    Parameters
    ----------
    measures : mapping
        As of `measures.measure_opacities`.
    """
    both = measures["both"]
    shares = [measures[side]["opacity"] for side in ("right", "left")]
    if both["opacity_ml"] == 0 or any(share is None or share["share"] < NOTABLE for share in shares):
        return []
    light = both["consolidation_ml"] / both["opacity_ml"] < LIGHT
    if not light or measures["at_the_back"] < AT_THE_BACK:
        return []
    return [
        f"{measures['at_the_back']:.0%} of the opacities are ground glass at the back of both lungs: they may be "
        "gravity-dependent density, which is no disease; a CT in prone position or in deeper inspiration tells."
    ]


def in_words(measures: Mapping[str, Any]) -> str:
    """The opacities in a line of text."""
    both, score = measures["both"], measures["score"]
    if both["opacity"] is None:
        return "No lungs in which to look for opacities"
    opacity, high = both["opacity"], both["high_opacity"]
    return (
        f"Opacities {both['opacity_ml']:.0f} ml, {opacity['share']:.1%} of the lungs ({opacity['low']:.1%} to "
        f"{opacity['high']:.1%}), {high['share']:.1%} above -200 HU; score {score['sum']} of {score['of']}"
    )
