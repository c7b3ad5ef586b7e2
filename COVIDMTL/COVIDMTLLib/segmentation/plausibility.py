"""Whether lungs that were found can be the lungs of a whole chest: one sentence for every reason why not."""

from __future__ import annotations

import numpy as np

from ..imaging.volume import Volume
from ..utils.errors import ImplausibleCT
from .robust.chest import Chest, check_chest, find_chest

MIN_LUNG_VOLUME = 100.0  # ml; the lungs of an infant hold more
MAX_END_AREA = 0.6
WARN_END_AREA = 0.1
"""Lung in the first or last slice as a share of that in the slice with most. Scans often end a
little above the bases of the lungs; beyond the first share, features of the whole lung mean nothing."""

ENDS = {"bottom": 0, "top": -1}
"""The ends of a CT by the index of their slices."""

SLAB = 150
"""Slices of 1 mm in a CT that is too short for lungs, at most."""

AERATED = -250
"""HU below which lung in an end slice is lung for certain: what is dense was inferred, less well at the ends."""

LEAN = -30
"""HU above which tissue is no fat."""

USUAL_SHARE = 0.5
"""Share of the chest without its fat that lungs take in the slice with most of them, at least."""


def check_lungs(lungs: np.ndarray, ct: np.ndarray, name: str = "The volume") -> list[str]:
    """Raise `ImplausibleCT` if there is no lung or if an end of the CT cuts through the midst of it.

    Parameters
    ----------
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the 1 mm working grid.
    ct : ndarray of shape (z, y, x)
        HU.
    name : str
        What to call the CT in a sentence.

    Returns
    -------
    list of str
        A warning for each end of the CT at which a smaller part of the lungs is missing.
    """
    areas = np.count_nonzero(lungs, axis=(1, 2))  # mm2, as a voxel is 1 mm3
    if areas.sum() / 1000 < MIN_LUNG_VOLUME:
        raise ImplausibleCT(f"{name} shows no lung; give a CT of the chest.")
    cut = _cut_ends(lungs, ct)
    if cut and not _is_part(cut, lungs):
        end, area = next(iter(cut.items()))
        raise ImplausibleCT(
            f"The field of view of {name} cuts the lungs at the {end} ({area / 100:.0f} cm2); give a CT that shows "
            "them whole."
        )
    return [
        f"The {end} slice still shows {areas[z] / 100:.0f} cm2 of lung: a part of the lungs is missing from the CT."
        for end, z in ENDS.items()
        if areas[z] > WARN_END_AREA * areas.max()
    ]


def no_verdict(lungs: np.ndarray, ct: np.ndarray, name: str = "The volume") -> str | None:
    """Why there can be no verdict on lungs that `check_lungs` passes; None if there can be one.

    Parameters
    ----------
    lungs : ndarray of shape (z, y, x)
        Lung mask or labels on the 1 mm working grid.
    ct : ndarray of shape (z, y, x)
        HU.
    name : str
        What to call the CT in the sentence.
    """
    if not _cut_ends(lungs, ct) and not _is_slab(lungs):
        return None
    return (
        f"{name} shows only a part of a chest, {len(lungs)} mm of it: no verdict is given, and what is measured is of "
        "that part; give a CT of the whole chest for a verdict."
    )


def _cut_ends(lungs: np.ndarray, ct: np.ndarray) -> dict[str, float]:
    """The ends of a CT, bottom or top, that cut through the midst of the lungs, and the area there in mm2."""
    areas = np.count_nonzero(lungs, axis=(1, 2))  # mm2, as a voxel is 1 mm3
    cut, most = {}, None
    for end, z in ENDS.items():
        if areas[z] > MAX_END_AREA * areas.max():
            most = most or max(areas.max(), USUAL_SHARE * _chest_area(ct, areas > 0))
            if np.count_nonzero((lungs[z] > 0) & (ct[z] < AERATED)) > MAX_END_AREA * most:
                cut[end] = float(areas[z])
    return cut


def _is_part(cut: dict[str, float], lungs: np.ndarray) -> bool:
    """Whether a CT was meant to show a part of a chest: it is a slab, or cut at both ends."""
    return len(cut) == len(ENDS) or len(lungs) <= SLAB


def _is_slab(lungs: np.ndarray) -> bool:
    """Whether a CT is too short for a chest, and cut in the midst of lung, or at both ends."""
    areas = np.count_nonzero(lungs, axis=(1, 2))
    less, more = sorted(areas[z] / max(areas.max(), 1) for z in ENDS.values())
    return len(lungs) <= SLAB and bool(less > WARN_END_AREA or more > MAX_END_AREA)


def check_field_of_view(ct: Volume, name: str = "The volume") -> Chest:
    """Raise `ImplausibleCT` unless a CT shows a chest whose lungs the field of view does not cut at the sides.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.

    Returns
    -------
    Chest
        What it shows.
    """
    chest = find_chest(ct.array)
    check_chest(chest, name)
    return chest


def _chest_area(ct: np.ndarray, slices: np.ndarray) -> float:
    """Area of the body without its fat, lungs and all, in mm2: the median of some slices.

    Where dense lung was not found, the slice with most lung does not show how much there would be.
    """
    step = 4
    part = ct[slices][::step, ::step, ::step]
    tissue = part > LEAN
    inside = np.logical_or.accumulate(tissue, axis=2) & np.logical_or.accumulate(tissue[..., ::-1], axis=2)[..., ::-1]
    areas = np.count_nonzero(inside & (tissue | (part < AERATED)), axis=(1, 2))
    return float(np.median(areas)) * step**2
