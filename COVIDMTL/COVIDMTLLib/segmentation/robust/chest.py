"""Whether a CT shows a chest, and whether a mask can be its lungs: by what a chest has, on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from ...imaging.bounding_box import box_of
from ...imaging.coarse_grid import STEP, block_mean, eroded, opened
from ...utils.errors import ImplausibleCT
from .aerated import GAS, aerated_lung, central_airways, enclosed_air
from .body import body_of, unknown_of
from .chest_axes import BONE

PARENCHYMA = -960, -600
"""HU of aerated lung away from its border; gas in bowel, throat and sinuses is darker, what is mixed with it is not."""

LEAST_SHARE = 0.04
"""Share of a slice of the body that is parenchyma in the slice of a chest with most of it, at least. In an adult this
is 20 cm2."""

LEAST_LUNG = 10.0
"""ml of parenchyma in a chest, at least: that of an infant has more."""

LEAST_LEVELS, END = 0.25, 15
"""Share of the height of a CT of a chest that the lungs take, if they end within so many mm of the end of the CT; in
one of abdomen or neck, bases or apices take less."""

SKULL = 0.3
"""Share of a slice of the body that bone encloses in a head."""

CUT = 1500.0
"""mm2 of lung that meet the sides of the field of view, from which it cuts the lungs."""

LEVELS_BESIDE = 5
"""Levels in which what lies beside the lungs is outside the field of view, at least."""

LEFT_OUT, BONY, OUTSIDE = 0.7, 0.1, 0.1
"""Shares of the aerated lung that a mask leaves out, of a mask that is bone, and of it that lies outside the patient
or above or below the lungs, from which it is no mask of the lungs."""

BEYOND = 50.0
"""mm above or below all aerated lung, where there is hardly any dense lung."""


@dataclass(frozen=True)
class Chest:
    """What a CT shows on the coarse grid, all of shape (z, y, x).

    Attributes
    ----------
    coarse : ndarray of float32
        HU.
    unknown, body : ndarray of bool
        Outside the field of view; the patient with the air inside.
    air : ndarray of bool
        Air in the patient.
    in_airways : ndarray of bool
        Trachea and main bronchi with their walls.
    lung : ndarray of bool
        Aerated lung.
    airways : ndarray of bool, or None
        Trachea and main bronchi on the working grid.
    """

    coarse: np.ndarray
    unknown: np.ndarray
    body: np.ndarray
    air: np.ndarray
    in_airways: np.ndarray
    lung: np.ndarray
    airways: np.ndarray | None

    def cropped(self) -> tuple[Chest, tuple[slice, ...]]:
        """The chest without the air around the patient, and where that lies on the working grid."""
        near = box_of(self.body, 2)
        box = tuple(slice(side.start * STEP, side.stop * STEP) for side in near)
        coarse = {field.name: getattr(self, field.name)[near] for field in fields(self) if field.name != "airways"}
        return replace(self, **coarse, airways=None if self.airways is None else self.airways[box]), box


def find_chest(ct: np.ndarray) -> Chest:
    """What a CT shows of a chest.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    """
    coarse = block_mean(ct)
    unknown = unknown_of(ct)
    body = body_of(coarse, unknown)
    air = enclosed_air(coarse, unknown, body)[0]
    airways = central_airways(ct, coarse, air)
    in_airways = np.zeros(air.shape, bool) if airways is None else block_mean(airways) > 0.3
    return Chest(coarse, unknown, body, air, in_airways, aerated_lung(coarse, air & ~in_airways), airways)


def check_chest(chest: Chest, name: str = "The volume") -> None:
    """Raise `ImplausibleCT` with a sentence on what is seen if a CT shows no lungs, or not whole at the sides.

    However dense lungs are, some of them is aerated.
    """
    inner = chest.lung & eroded(chest.air, STEP * 1.3)
    parenchyma = inner & (chest.coarse > PARENCHYMA[0]) & (chest.coarse < PARENCHYMA[1])
    areas = np.count_nonzero(chest.body, axis=(1, 2))
    share = float(np.max(np.count_nonzero(parenchyma, axis=(1, 2)) / np.maximum(areas, areas.max() / 4 + 1)))
    volume = np.count_nonzero(parenchyma) * STEP**3 / 1000
    cut = cut_surface(chest, chest.lung)
    if share < LEAST_SHARE or volume < LEAST_LUNG:
        # Lung that is open to a side has no tissue around it.
        cut = cut_surface(chest, opened((chest.coarse < PARENCHYMA[1]) & (chest.coarse > PARENCHYMA[0]), STEP * 1.3))
    if cut < CUT and (share < LEAST_SHARE or volume < LEAST_LUNG):
        raise ImplausibleCT(f"{name} shows no chest but {_seen(chest)}; give a CT of the chest.")
    if cut > CUT:
        raise ImplausibleCT(
            f"The field of view of {name} cuts the lungs at the sides ({cut / 100:.0f} cm2); give a CT that shows them "
            "whole."
        )
    levels = np.flatnonzero(areas > areas.max() / 4)
    shown = np.flatnonzero(np.count_nonzero(parenchyma, axis=(1, 2)) > LEAST_SHARE / 4 * areas.max())
    at_end = min(shown[0] - levels[0], levels[-1] - shown[-1]) * STEP < END
    if at_end and len(shown) < LEAST_LEVELS * len(levels):
        raise ImplausibleCT(
            f"{name} shows no chest but a part of the body next to it: {len(shown) * STEP} mm of the lungs at one end; "
            "give a CT of the chest."
        )


def cut_surface(chest: Chest, lung: np.ndarray) -> float:
    """Area in mm2 in which lung meets the sides of the image or what lies outside the field of view."""
    from scipy import ndimage

    # What is unknown above or below the lungs, as in a CT that was turned, is none of the sides.
    end = ndimage.minimum_filter1d(chest.unknown, LEVELS_BESIDE, axis=0, mode="nearest")
    end[:, [0, -1]] = True
    end[:, :, [0, -1]] = True
    return float(np.count_nonzero(end & lung & (chest.coarse > PARENCHYMA[0]))) * STEP**2


def check_mask(mask: np.ndarray, chest: Chest) -> None:
    """Raise `ImplausibleCT` with a sentence on a mask that cannot be that of the lungs.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)
        On the working grid.
    chest : Chest
    """
    coarse = block_mean(mask) > 0.5
    size = max(int(np.count_nonzero(coarse)), 1)
    outside = np.count_nonzero(coarse & ~chest.body) / size
    bone = np.count_nonzero(coarse & (chest.coarse > BONE)) / size
    left_out = 1 - np.count_nonzero(coarse & chest.lung) / max(int(np.count_nonzero(chest.lung)), 1)
    levels = np.flatnonzero(chest.lung.any(axis=(1, 2)))
    margin = int(BEYOND / STEP)
    near = slice(max(0, levels[0] - margin), levels[-1] + 1 + margin) if len(levels) else slice(0)
    beyond = 1 - np.count_nonzero(coarse[near]) / size
    if outside > OUTSIDE:
        wrong = f"{outside:.0%} of it lie outside the patient"
    elif beyond > OUTSIDE:
        wrong = f"{beyond:.0%} of it lie far above or below the aerated lung"
    elif left_out > LEFT_OUT:
        wrong = f"it leaves out {left_out:.0%} of the aerated lung"
    elif bone > BONY:
        wrong = f"{bone:.0%} of it are bone or contrast medium"
    else:
        return
    raise ImplausibleCT(f"The mask is not one of the lungs of this CT: {wrong}; give a mask of its lungs.")


def _seen(chest: Chest) -> str:
    """What there is in place of lungs, in words."""
    from scipy import ndimage

    bone = (chest.coarse > BONE) & chest.body
    areas = np.maximum(np.count_nonzero(chest.body, axis=(1, 2)), 1)
    enclosed = [np.count_nonzero(ndimage.binary_fill_holes(axial) & ~axial) for axial in bone]
    gas = np.count_nonzero(chest.air & (chest.coarse < GAS)) * STEP**3 / 1000
    lung = np.count_nonzero(chest.lung) * STEP**3 / 1000
    if np.count_nonzero(enclosed > SKULL * areas) > 5:
        return "a head: bone around the brain and no lungs"
    if not chest.body.any():
        return "no patient"
    what = "no bone, as of a phantom," if not bone.any() else "a part of the body below or above it,"
    return f"{what} with {lung:.0f} ml that may be lung or bowel and {gas:.0f} ml of gas"
