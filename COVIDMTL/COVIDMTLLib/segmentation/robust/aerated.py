"""Air in the body: aerated lung, and the trachea with the main bronchi."""

from __future__ import annotations

import numpy as np

from ...imaging.bounding_box import box_of
from ...imaging.coarse_grid import STEP, dilated, eroded, opened, repeated
from .body import body_of

AERATED = -500
"""HU below which a voxel is aerated; that is where a lung ends in most reference segmentations."""

GAS = -955
"""HU below which the inside of an air space is gas and no lung, not even one with emphysema: bowel, stomach."""

SMALLEST = 1.0
"""ml of aerated lung that are taken for lung rather than for an air bubble."""

LEAST_GAS = 5.0
"""ml of gas in stomach or bowel that are looked at."""

WALLED, LUNG_UNDER = 0.62, 0.5
"""Share of tissue around gas that is no bulla, and share of it above lung at most."""

THRESHOLDS = range(-950, -700, 50)
"""HU at which the lumen of the airways is tried. Where a higher one makes it grow much, it leaks into the lung."""

LEAK = 1.6, 120.0
"""Growth from one threshold to the next, and a volume in ml, that airways do not have."""

LONG = 40
"""mm of an air space that is a trachea even where its lumen cannot be told from the lungs."""

WIDEST = 16
"""mm from the middle of an airway to its wall; what is wider is a bulla that opens into it."""

WITHIN = 0.8
"""Share of air that lies between the front and the back of the body, from which it is in the body."""


def enclosed_air(
    coarse: np.ndarray, unknown: np.ndarray | None = None, body: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Air inside the body, and air around it.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    unknown : ndarray of bool, shape (z, y, x), optional
        What lies outside the field of view: of that nothing is air.
    body : ndarray of bool, shape (z, y, x), optional
        The patient, as of `body_of`, if it is known.

    Returns
    -------
    enclosed, outside : ndarray of bool
        Outside is what is connected with the border of an axial slice or with what is unknown, but for a lung that a
        field of view a little too small lets touch it; and what lies outside the patient, such as the foam of a table.
    """
    from scipy import ndimage

    unknown = np.zeros(coarse.shape, bool) if unknown is None else unknown
    body = body_of(coarse, unknown) if body is None else body
    air = (coarse < AERATED) & ~unknown
    parts, count = ndimage.label(air)
    border = np.zeros(count + 1, bool)
    for face in (parts[:, 0], parts[:, -1], parts[:, :, 0], parts[:, :, -1]):
        border[np.unique(face)] = True
    if unknown.any():
        border[np.unique(parts[dilated(unknown, STEP)])] = True
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    within = np.bincount(parts[body], minlength=count + 1)
    inside = np.where(border, within >= WITHIN * sizes, within >= 0.5 * sizes)
    inside[0] = False
    enclosed = inside[parts] & body
    return enclosed, air & ~enclosed


def aerated_lung(coarse: np.ndarray, air: np.ndarray) -> np.ndarray:
    """The parts of enclosed air that are lung: neither small nor filled with gas alone, nor far from the lungs.

    Parameters
    ----------
    coarse : ndarray of shape (z, y, x)
        HU on the coarse grid.
    air : ndarray of bool, shape (z, y, x)
        Enclosed air without the airways.
    """
    from scipy import ndimage

    air = air & ~gas_below(coarse, air)
    parts, count = ndimage.label(air)
    if count == 0:
        return air
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    cores = np.where(eroded(air, STEP * 1.3), parts, 0)
    inside = np.full(count + 1, -np.inf)
    within = np.unique(cores[cores > 0])
    inside[within] = ndimage.median(coarse, cores, within)
    largest = sizes.max()
    gas = (inside < GAS) & (sizes < 0.2 * largest)
    kept = (sizes * STEP**3 / 1000 > SMALLEST) & ~gas
    # What is small is lung within the consolidation of one: at the level of large parts.
    levels = np.isin(parts, np.flatnonzero(kept & (sizes > 0.15 * largest))).any(axis=(1, 2))
    if levels.any():
        spread = np.bincount(parts[levels].ravel(), minlength=count + 1)
        kept &= spread > 0.8 * sizes
    return kept[parts]


def gas_below(coarse: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Gas in stomach and bowel that a thin diaphragm does not part from the lung on the coarse grid.

    It is gas alone, walled by tissue and not by lung, and no lung lies under it.
    """
    from scipy import ndimage

    found = np.zeros(air.shape, bool)
    parts, _count = ndimage.label(eroded(air & (coarse < GAS), STEP * 1.3))
    for part, box in enumerate(ndimage.find_objects(parts), 1):
        near = tuple(slice(max(0, side.start - 9), side.stop + 9) for side in box)
        core = parts[near] == part
        gas = ndimage.binary_propagation(core, mask=dilated(core, STEP * 6) & air[near] & (coarse[near] < GAS + 55))
        if np.count_nonzero(gas) * STEP**3 / 1000 < LEAST_GAS:
            continue
        shell = dilated(gas, STEP * 2.3) & ~dilated(gas, STEP * 1.3)
        lung = air & (coarse > GAS)
        columns = gas.any(axis=0)
        below = lung[: box[0].start + 1, near[1], near[2]].sum(axis=0)[columns] >= 3
        if np.mean(coarse[near][shell] > -200) > WALLED and below.mean() < LUNG_UNDER:
            found[near] |= dilated(gas, STEP * 1.5) & air[near]
    return found


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
    box, seed = _around(ct, *trachea[len(trachea) // 2])
    lumen = _lumen(ct[box], seed)
    if lumen is None:
        return _along(trachea, air, ct.shape)
    # Down to the lobar bronchi, which are thinner: those belong to the lungs.
    inner = box_of(lumen, 5)
    narrow = lumen[inner] & ~opened(lumen[inner], WIDEST, 1)
    parts, count = ndimage.label(opened(narrow, 3.5, 1))
    if count == 0:
        return _along(trachea, air, ct.shape)
    largest = np.bincount(parts.ravel())[1:].argmax() + 1
    passed = np.unique(parts[repeated(_middle(trachea, air.shape), ct.shape)[box][inner]])
    found = np.zeros(ct.shape, bool)
    found[box][inner] = dilated(np.isin(parts, [largest, *passed[passed > 0]]), 2, 1)
    # A tube or a narrow place parts what lies above it from the rest.
    along = _along(trachea, air, ct.shape)
    if along is not None:
        above = inner[0].start + box[0].start + int(np.flatnonzero((parts == largest).any(axis=(1, 2)))[-1]) + 1
        found[above:] |= along[above:]
    return found


def _trachea(coarse: np.ndarray, air: np.ndarray) -> list[tuple[int, float, float]] | None:
    """Coarse voxels (z, y, x) in the trachea: a small round air space near the middle that goes on along z."""
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
    return [place[:3] for place in best]


def _along(trachea: list[tuple[int, float, float]], air: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """The trachea where its lumen cannot be told from the lungs by density: the air around its middle."""
    if len(trachea) * STEP < LONG:
        return None
    return repeated(dilated(dilated(_middle(trachea, air.shape), 4 * STEP) & air, STEP), shape)


def _middle(trachea: list[tuple[int, float, float]], shape: tuple[int, ...]) -> np.ndarray:
    middle = np.zeros(shape, bool)
    for place in trachea:
        middle[tuple(int(round(at)) for at in place)] = True
    return middle


def _around(ct: np.ndarray, z: float, y: float, x: float) -> tuple[tuple[slice, ...], tuple[int, int, int]]:
    """A box on the working grid with all of the central airways, and the darkest voxel near the place, in the box."""
    k, j, i = (int((at + 0.5) * STEP) for at in (z, y, x))
    j, i = (min(max(at, 9), n - 10) for at, n in ((j, ct.shape[1]), (i, ct.shape[2])))
    k = min(k, len(ct) - 1)
    near = ct[k, j - 9 : j + 10, i - 9 : i + 10]
    dj, di = np.unravel_index(near.argmin(), near.shape)
    j, i = int(j - 9 + dj), int(i - 9 + di)
    box = slice(max(0, k - 200), len(ct)), slice(max(0, j - 60), j + 75), slice(max(0, i - 75), i + 75)
    return box, (k - box[0].start, j - box[1].start, i - box[2].start)


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
