"""What planted opacities are made of: the noise of the CT, septal lines, air bronchograms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from support.data.planted_places import STEP, Lungs

SOFT_TISSUE = -10, 110  # HU of a smoothed CT
FAR = 5  # mm in the slice over which noise has nothing to do with itself


@dataclass(frozen=True)
class Noise:
    """The noise of a CT, as Gaussian noise that was smoothed.

    Attributes
    ----------
    deviation : float
        In HU, of soft tissue.
    grain : tuple of 3 float
        Standard deviation along z, y, x in voxels of the Gaussian that white noise was smoothed with: the sharpness
        of the CT.
    """

    deviation: float
    grain: tuple[float, float, float]

    @classmethod
    def of(cls, ct: np.ndarray) -> Noise:
        """From how much neighbouring voxels of soft tissue differ, in the middle half of a CT (HU, 1 mm)."""
        from scipy import ndimage

        z = len(ct) // 4
        hu = ct[z : len(ct) - z].astype(np.float32)
        smooth = ndimage.gaussian_filter(hu, 2)
        tissue = ndimage.binary_erosion((smooth > SOFT_TISSUE[0]) & (smooth < SOFT_TISSUE[1]), iterations=4)

        def difference(axis: int, by: int) -> float:
            ahead, behind = (
                tuple(part if a == axis else slice(None) for a in range(3)) for part in (np.s_[by:], np.s_[:-by])
            )
            both = tissue[ahead] & tissue[behind]
            if not both.any():
                return 0.0
            found = np.abs(hu[ahead][both] - hu[behind][both])
            # Without the edges that are left, and finer than the median, which of whole HU is a whole number.
            return float(np.sqrt(np.mean(found[found <= 4 * np.median(found)] ** 2)))

        # The variance of a difference is twice the noise's, less what the noise at one place says of the other.
        far = max((difference(1, FAR) + difference(2, FAR)) / 2, 1.0)
        shares = (np.clip(1 - (difference(axis, 1) / far) ** 2, 0.02, 0.98) for axis in range(3))
        return cls(float(far / np.sqrt(2)), tuple(float(np.sqrt(-1 / np.log(share)) / 2) for share in shares))

    def field(self, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        """Noise of deviation 1 and of this grain."""
        smooth = self.blur(rng.standard_normal(shape, np.float32))
        return smooth / smooth.std()

    def blur(self, array: np.ndarray) -> np.ndarray:
        """An array as sharp as the CT shows it."""
        from scipy import ndimage

        return ndimage.gaussian_filter(array, self.grain)


def septa(where: np.ndarray, noise: Noise, rng: np.random.Generator) -> np.ndarray:
    """Thickened septa between and within the lobules of the lung: a network of lines, 0 to 1, as the CT shows it.

    Parameters
    ----------
    where : ndarray of bool, shape (z, y, x)
        At 1 mm; elsewhere there is none.
    """
    from scipy import ndimage
    from scipy.spatial import KDTree

    size, thickness = rng.uniform(6, 10), rng.uniform(0.4, 0.6)  # mm
    lines = np.zeros(where.shape, np.float32)
    voxels = np.argwhere(where).astype(np.float32)
    centres = rng.uniform(-size, np.add(where.shape, size), (int(np.prod(np.add(where.shape, 2 * size)) / size**3), 3))
    # Septa are no planes: they lie where those between the centres would if the lung was a little bent.
    bent = [ndimage.gaussian_filter(rng.standard_normal(np.add(where.shape, 3) // 4 + 1), 1.0) for _ in range(3)]
    bent = [array * (1.0 / array.std()) for array in bent]
    at = tuple((voxels / 4).astype(int).T)
    voxels += np.stack([array[at] for array in bent], axis=1)
    distances, nearest = KDTree(centres).query(voxels, k=2, workers=-1)
    apart = np.linalg.norm(centres[nearest[:, 0]] - centres[nearest[:, 1]], axis=1)
    to_septum = (distances[:, 1] ** 2 - distances[:, 0] ** 2) / (2 * apart)
    lines[where] = np.exp(-((to_septum / thickness) ** 2))
    return noise.blur(lines)


def air_bronchograms(
    inwards: np.ndarray, lung: np.ndarray, coarse: Lungs, noise: Noise, rng: np.random.Generator
) -> np.ndarray:
    """Bronchi that stay open in consolidated lung: how much of each voxel they take, 0 to 1.

    Parameters
    ----------
    inwards : ndarray of float32, shape (z, y, x)
        mm within the edge of the consolidation, at 1 mm.
    lung : ndarray of bool, shape (z, y, x)
    """
    from scipy.spatial import KDTree

    points, radii = np.empty((0, 3)), np.empty(0)
    within = np.pad(inwards, [(0, STEP)] * 3, constant_values=-1)[::STEP, ::STEP, ::STEP]
    for side in np.unique(coarse.side[coarse.mask]):
        ends = STEP * np.argwhere((coarse.side == side) & (within > 3) & (coarse.depth > 6))
        tree, wide = _hilum(coarse, side)[None], np.array([3.5])
        # The bronchi branch: each begins where those before it come nearest to its end.
        for end in rng.permutation(ends)[: rng.integers(16, 30)]:
            begin = np.linalg.norm(tree - end, axis=1).argmin()
            path = _bronchus(tree[begin], end, rng)
            tree = np.concatenate([tree, path])
            wide = np.concatenate([wide, np.linspace(0.95 * wide[begin], 1.4, len(path))])
        points, radii = np.concatenate([points, tree]), np.concatenate([radii, wide])
    air = np.zeros(lung.shape, np.float32)
    inside = lung & (inwards > 0)
    distance, nearest = KDTree(points).query(np.argwhere(inside), distance_upper_bound=4, workers=-1)
    air[inside] = np.clip(np.append(radii, 0)[nearest] - distance + 0.5, 0, 1)
    return noise.blur(air)


def _hilum(coarse: Lungs, side: int) -> np.ndarray:
    """Where the bronchi of a lung come from, in mm: the place in its middle that is nearest to the other lung."""
    z, y, x = np.argwhere(coarse.mask & (coarse.side == side)).T
    off = 2 * np.abs(z - z.mean()) + 2 * np.abs(y - y.mean()) + side * x
    return STEP * np.array([axis[off.argmin()] for axis in (z, y, x)])


def _bronchus(start: np.ndarray, end: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Points (n, 3) half a mm apart along a bent path, in mm."""
    length = np.linalg.norm(np.subtract(end, start))
    along = np.linspace(0, 1, max(2, int(2 * length)))[:, None]
    bend = rng.normal(0, 0.12 * length, 3)
    return start + along * np.subtract(end, start) + 4 * along * (1 - along) * bend
