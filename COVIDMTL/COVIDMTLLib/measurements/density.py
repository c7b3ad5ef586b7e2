"""How much lung there is, and how dense it is."""

from __future__ import annotations

import numpy as np

from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Volume

GROUND_GLASS = (-750, -300)
CONSOLIDATION = (-300, 50)
"""HU from (inclusive) and to (exclusive) which lung has the density of an opacity. Vessels and airway
walls are in it too, so a healthy lung does not have a share of 0."""


def lung_densities(ct: Volume, lungs: Volume) -> dict[str, dict[str, float | None]]:
    """Volumes and densities of the lungs.

    Parameters
    ----------
    ct : Volume
        HU.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.

    Returns
    -------
    dict
        For ``both``, ``right`` and ``left``: ``volume_ml``, ``mean_hu``, and ``ground_glass_share`` and
        ``consolidation_share`` of the lung (0 to 1); all but the volume are None for a lung that is not there.
    """
    sides = {"both": lungs.array > 0, "right": lungs.array == RIGHT, "left": lungs.array == LEFT}
    return {side: _densities(ct.array[mask], ct.geometry.voxel_volume) for side, mask in sides.items()}


def _densities(hu: np.ndarray, voxel_volume: float) -> dict[str, float | None]:
    volume: dict[str, float | None] = {"volume_ml": round(hu.size * voxel_volume, 1)}
    if not hu.size:
        return volume | dict.fromkeys(("mean_hu", "ground_glass_share", "consolidation_share"))
    return volume | {
        "mean_hu": round(float(hu.mean()), 1),
        "ground_glass_share": round(_share(hu, GROUND_GLASS), 4),
        "consolidation_share": round(_share(hu, CONSOLIDATION), 4),
    }


def _share(hu: np.ndarray, limits: tuple[int, int]) -> float:
    return float(np.mean((hu >= limits[0]) & (hu < limits[1])))
