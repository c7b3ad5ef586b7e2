"""What is unusual about lungs that were found and may be wrong: one sentence on what it is and what to do."""

from __future__ import annotations

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.coarse_grid import STEP, block_mean, eroded
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import HU_RANGE, Volume
from ..segmentation import plausibility
from ..segmentation.robust.chest import Chest
from ..segmentation.robust.orientation import warn_of_orientation

SIDES = {"right": RIGHT, "left": LEFT}

THIN, MUCH_THIN = -950, 0.15
"""HU below which lung is thin as with emphysema, and the share of a lung from which that is told."""

GAS, MUCH_GAS = -960, 10.0
"""HU below which a block of voxels is gas without lung, and ml of it in one piece that lungs do not have."""

DENSE, MUCH_DENSE = -200, 0.15
"""HU from which lung is dense, and the share of a lung from which that is told."""

FLUID, EVEN, MUCH_FLUID = (-10, 28), 6.0, 50.0
"""HU of fluid; how many HU it varies by, without noise; and ml of it that are told of."""

MUCH_SMALLER = 0.4
"""Volume of one lung as a share of the other's that healthy lungs do not have."""

TOUCHING = 1.0
"""cm2 of lung at the sides of the image that are told of."""


def warn_of_lungs(ct: Volume, lungs: Volume, name: str = "The volume", chest: Chest | None = None) -> list[str]:
    """Warnings about lungs and the chest they lie in.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.
    name : str
        What to call the CT in an error.
    chest : Chest, optional
        What the CT shows, as of `find_chest`, to warn of one that has lost its orientation.

    Returns
    -------
    list of str

    Raises
    ------
    ImplausibleCT
        As `plausibility.check_lungs`.
    """
    found = [] if chest is None else warn_of_orientation(chest, name)
    found += [*plausibility.check_lungs(lungs.array, ct.array, name), *_one_smaller(lungs.array)]
    box = _box(lungs.array)
    coarse, labels = block_mean(ct.array[box]), lungs.array[box][1::STEP, 1::STEP, 1::STEP]
    found += _cut(lungs.array, ct.array[box], labels > 0)
    for side, label in SIDES.items():
        lung = labels == label
        if lung.any():
            found += [*_thin(coarse, lung, side), *_dense(coarse, lung, side)]
    return found


def _box(labels: np.ndarray) -> tuple[slice, ...]:
    """The box of the lungs and what is next to it, in whole blocks."""
    around = box_of(labels > 0, 2 * STEP)
    return tuple(slice(side.start, side.start + (side.stop - side.start) // STEP * STEP) for side in around)


def _one_smaller(labels: np.ndarray) -> list[str]:
    volumes = {side: np.count_nonzero(labels == label) / 1000 for side, label in SIDES.items()}
    (smaller, less), (larger, more) = sorted(volumes.items(), key=lambda item: item[1])
    if less == 0:
        return [f"No {smaller} lung was found. Unless it was removed or has collapsed, give a mask of both lungs."]
    if less < MUCH_SMALLER * more:
        return [
            f"The {smaller} lung has {less:.0f} ml and the {larger} one {more:.0f} ml. Unless it was removed in part "
            "or has collapsed, dense lung was not found; give a mask of both lungs."
        ]
    return []


def _cut(labels: np.ndarray, ct: np.ndarray, lung: np.ndarray) -> list[str]:
    """Lung at the sides of the image, or at the padding around a round field of view.

    Parameters
    ----------
    labels : ndarray of shape (z, y, x)
    ct : ndarray
        HU in the box of the lungs.
    lung : ndarray of bool
        In the same box, on the coarse grid.
    """
    from scipy import ndimage

    faces = labels[:, 0], labels[:, -1], labels[:, :, 0], labels[:, :, -1]
    touching = float(sum(np.count_nonzero(face) for face in faces))
    padding = ct[1::STEP, 1::STEP, 1::STEP] == HU_RANGE[0]
    # Air is noisy, padding is not.
    padding &= padding.any() and block_mean(ct == HU_RANGE[0]) == 1
    if padding.any():
        touching += np.count_nonzero(ndimage.binary_dilation(padding, iterations=2) & lung) * STEP**2 / 2
    if touching / 100 < TOUCHING:
        return []
    return [
        f"The lungs touch the side of the image ({touching / 100:.0f} cm2): a part of them may be missing from the CT; "
        "give one with a larger field of view if there is one."
    ]


def _thin(coarse: np.ndarray, lung: np.ndarray, side: str) -> list[str]:
    """Gas in one piece, and what else is thin as with emphysema."""
    found = []
    gas = _largest(lung & (coarse < GAS))
    volume = np.count_nonzero(gas) * STEP**3 / 1000
    if volume > MUCH_GAS:
        found.append(
            f"{volume:.0f} ml in the {side} lung are gas without lung in it: a bulla or severe emphysema, or a "
            "pneumothorax, which is no lung and is counted as lung; give a mask without it if it is one."
        )
        lung = lung & ~gas
    share = np.count_nonzero(lung & (coarse < THIN)) / max(int(np.count_nonzero(lung)), 1)
    if share > MUCH_THIN:
        found.append(
            f"{share:.0%} of the {side} lung is below {THIN} HU, as with emphysema; see whether its outline holds the "
            "thinnest parts."
        )
    return found


def _dense(coarse: np.ndarray, lung: np.ndarray, side: str) -> list[str]:
    """Much dense lung, and what looks like fluid behind a lung."""
    from scipy import ndimage

    dense = lung & (coarse > DENSE)
    share = np.count_nonzero(dense) / np.count_nonzero(lung)
    found = []
    core = _largest(eroded(dense, STEP * 1.3))
    volume = np.count_nonzero(core) * STEP**3 / 1000
    within = eroded(core, STEP) if volume > MUCH_FLUID else core & False
    if within.any():
        low, middle, high = np.percentile(ndimage.gaussian_filter(coarse, 1)[within], [16, 50, 84])
        behind = np.argwhere(core)[:, 1].mean() > np.quantile(np.argwhere(lung)[:, 1], 0.6)
        if FLUID[0] < middle < FLUID[1] and (high - low) / 2 < EVEN and behind:
            found.append(
                f"At least {volume:.0f} ml at the back of the {side} lung are as dense and as even as fluid: they may "
                "be a pleural effusion, which is no lung and is counted as lung; give a mask without it if it is one."
            )
    if share > MUCH_DENSE:
        found.append(
            f"{share:.0%} of the {side} lung is dense (above {DENSE} HU), and more may not have been found: much of "
            "its outline is inferred; check it, and give a mask if it is wrong."
        )
    return found


def _largest(mask: np.ndarray) -> np.ndarray:
    """The largest piece of a mask; voxels that touch at a corner are of one piece."""
    from scipy import ndimage

    parts, count = ndimage.label(mask, np.ones((3, 3, 3)))
    return parts == np.bincount(parts.ravel())[1:].argmax() + 1 if count else mask
