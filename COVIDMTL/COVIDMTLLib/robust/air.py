"""Air in the body: aerated lung, and the trachea with the main bronchi."""

from __future__ import annotations

import numpy as np

from ..boxes import box_of
from .grid import STEP, dilated, eroded, opened

AERATED = -500
"""HU below which a voxel is aerated; that is where a lung ends in most reference segmentations."""

GAS = -955
"""HU below which the inside of an air space is gas and no lung, not even one with emphysema: bowel, stomach."""

SMALLEST = 1.0
"""ml of aerated lung that are taken for lung rather than for an air bubble."""

THRESHOLDS = range(-950, -700, 50)
"""HU at which the lumen of the airways is tried. Where a higher one makes it grow much, it leaks into the lung."""

LEAK = 1.6, 120.0
"""Growth from one threshold to the next, and a volume in ml, that airways do not have."""

WIDEST = 16
"""mm from the middle of an airway to its wall; what is wider is a bulla that opens into it."""

WITHIN = 0.8
"""Share of air that lies between the front and the back of the body, from which it is in the body."""


def enclosed_air(coarse: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Air inside the body, and air around it.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.

    Returns
    -------
    enclosed, outside : ndarray of bool
        Outside is what is connected with the border of an axial slice, but for a lung that a field of view a little
        too small lets touch it.
    """
    from scipy import ndimage

    parts, count = ndimage.label(coarse < AERATED)
    border = np.zeros(count + 1, bool)
    for face in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        border[np.unique(face)] = True
    border[0] = False
    tissue = opened(coarse > -300, STEP * 1.3)  # without the shell of the table
    before, behind = (np.logical_or.accumulate(tissue[:, ::way], axis=1)[:, ::way] for way in (1, -1))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    within = np.bincount(parts[before & behind], minlength=count + 1)
    border &= within < WITHIN * sizes
    outside = border[parts]
    return (parts > 0) & ~outside, outside


def aerated_lung(coarse: np.ndarray, air: np.ndarray) -> np.ndarray:
    """The parts of enclosed air that are lung: neither small nor filled with gas alone."""
    from scipy import ndimage

    parts, count = ndimage.label(air)
    if count == 0:
        return air.copy()
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    cores = np.where(eroded(air, STEP * 1.3), parts, 0)
    inside = np.full(count + 1, -np.inf)
    within = np.unique(cores[cores > 0])
    inside[within] = ndimage.median(coarse, cores, within)
    gas = (inside < GAS) & (sizes < 0.2 * sizes.max())
    return ((sizes * STEP**3 / 1000 > SMALLEST) & ~gas)[parts]


def central_airways(ct: np.ndarray, coarse: np.ndarray, air: np.ndarray) -> np.ndarray | None:
    """The trachea and the main bronchi with their walls.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    coarse, air : ndarray
        HU, and enclosed air, on the coarse grid.

    Returns
    -------
    ndarray of bool, shape (z, y, x), or None if no trachea was found
        On the working grid.
    """
    from scipy import ndimage

    trachea = _trachea(coarse, air)
    if trachea is None:
        return None
    box, seed = _around(ct, *trachea)
    lumen = _lumen(ct[box], seed)
    if lumen is None:
        return None
    # Down to the lobar bronchi, which are thinner: those belong to the lungs.
    inner = box_of(lumen, 5)
    narrow = lumen[inner] & ~opened(lumen[inner], WIDEST, 1)
    parts, count = ndimage.label(opened(narrow, 3.5, 1))
    if count == 0:
        return None
    largest = parts == np.bincount(parts.ravel())[1:].argmax() + 1
    found = np.zeros(ct.shape, bool)
    found[box][inner] = dilated(largest, 2, 1)
    return found


def _trachea(coarse: np.ndarray, air: np.ndarray) -> tuple[int, float, float] | None:
    """A coarse voxel (z, y, x) in the trachea: a small round air space near the middle that goes on along z."""
    from scipy import ndimage

    chains: list[list[tuple[int, float, float, float]]] = []
    for z in range(len(air) - 1, -1, -1):
        parts, count = ndimage.label(air[z])
        columns = np.flatnonzero((coarse[z] > AERATED).any(axis=0))
        if not count or not len(columns):
            continue
        middle = (columns[0] + columns[-1]) / 2
        for part, box in enumerate(ndimage.find_objects(parts), 1):
            area = np.count_nonzero(parts[box] == part) * STEP**2
            y, x = ndimage.center_of_mass(parts == part)
            aside = abs(x - middle) * STEP
            if not 40 < area < 900 or max(s.stop - s.start for s in box) * STEP > 40 or aside > 45:
                continue
            for chain in chains:
                if 0 < chain[-1][0] - z <= 2 and np.hypot(chain[-1][1] - y, chain[-1][2] - x) * STEP < 8:
                    chain.append((z, y, x, aside))
                    break
            else:
                chains.append([(z, y, x, aside)])
    chains = [chain for chain in chains if len(chain) * STEP >= 18]
    if not chains:
        return None
    best = max(chains, key=lambda chain: len(chain) * STEP - 2 * float(np.median([place[3] for place in chain])))
    return best[len(best) // 2][:3]


def _around(ct: np.ndarray, z: float, y: float, x: float) -> tuple[tuple[slice, ...], tuple[int, int, int]]:
    """A box on the working grid with all of the central airways, and the darkest voxel near the place, in the box."""
    k, j, i = (int((at + 0.5) * STEP) for at in (z, y, x))
    j, i = (min(max(at, 9), n - 10) for at, n in ((j, ct.shape[1]), (i, ct.shape[2])))
    k = min(k, len(ct) - 1)
    near = ct[k, j - 9 : j + 10, i - 9 : i + 10]
    dj, di = np.unravel_index(near.argmin(), near.shape)
    j, i = int(j - 9 + dj), int(i - 9 + di)
    box = slice(max(0, k - 200), len(ct)), slice(max(0, j - 60), j + 75), slice(max(0, i - 75), i + 75)
    return box, tuple(at - side.start for at, side in zip((k, j, i), box, strict=True))


def _lumen(ct: np.ndarray, seed: tuple[int, int, int]) -> np.ndarray | None:
    """What is connected with the seed at the highest threshold at which it does not leak into the lung."""
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(np.ascontiguousarray(ct))
    growth, most = LEAK
    best, before = None, 0.0
    for threshold in THRESHOLDS:
        grown = sitk.GetArrayFromImage(sitk.ConnectedThreshold(image, [seed[::-1]], -3000, threshold)) > 0
        volume = np.count_nonzero(grown) / 1000
        if volume > most or (before > 5 and volume > growth * before):
            break
        best, before = grown, volume
    return best if before > 0.5 else None
