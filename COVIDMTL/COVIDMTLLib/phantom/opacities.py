"""Where opacities of the lungs lie in the synthetic thorax."""

from __future__ import annotations

import numpy as np

from .anatomy import Anatomy
from .shapes import AXES, X, Y, Z, texture

PATTERNS = ("peripheral", "lobar")


def opacity_fields(
    body: Anatomy,
    rng: np.random.Generator,
    ground_glass: float,
    consolidation: float,
    pattern: str = "peripheral",
    lean: float = 0.0,
) -> list[np.ndarray | None]:
    """Fields on the coarse grid that are above 0 in ground glass and in consolidation; None without any.

    Consolidation lies over ground glass. Parameters are those of `thorax`.
    """
    lungs = body.lungs < 0
    place = _peripheral(body, lean) if pattern == "peripheral" else _lobar(body, rng)
    dense = 0.6 * texture(rng, 18) + 0.3 * texture(rng, 9) + 1.5 * place
    hazy = 0.8 * texture(rng, 26) + 0.35 * texture(rng, 9) + place
    fields: list[np.ndarray | None] = [None, None]
    free = hazy[lungs]
    if consolidation:
        fields[1] = consolidated = dense - np.quantile(dense[lungs], 1 - consolidation)
        free = hazy[lungs & (consolidated <= 0)]
    if ground_glass:
        fields[0] = hazy - np.quantile(free, 1 - ground_glass / (1 - consolidation))
    return fields


def _peripheral(body: Anatomy, lean: float) -> np.ndarray:
    """Prefers the periphery, the back and the bases."""
    place = np.exp(np.minimum(body.cage, 0) / 15) + 0.008 * Y - 0.005 * Z
    return place + np.float32(lean) * np.sign(X - np.float32(body.midline)) if lean else place


def _lobar(body: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Prefers what is near a point and on its side of the fissure, in the same lung."""
    k, j, i = rng.choice(np.argwhere(body.lungs < -12))
    distance = np.sqrt((Z - AXES[0][k]) ** 2 + (Y - AXES[1][j]) ** 2 + (X - AXES[2][i]) ** 2)
    other_lobe = (body.fissures > 0) != (body.fissures[k, j, i] > 0)
    other_lung = (body.midline < X) != (body.midline < AXES[2][i])
    return -distance / 15 - 2 * other_lobe - 4 * other_lung
