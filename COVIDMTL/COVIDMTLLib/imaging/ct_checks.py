"""Whether a volume is a chest CT that can be assessed: one sentence for every reason why not."""

from __future__ import annotations

import numpy as np

from ..utils.errors import ImplausibleCT
from .volume import Geometry, Volume

MIN_SLICES = 20
MAX_SLICE_THICKNESS = 3.0  # mm


FIELD_OF_VIEW = (50.0, 2000.0)  # mm along every axis
LARGEST_VIEW = 1.3e9  # mm3, of a whole body

SKEW = 0.002
"""How far axes may be from unit length and right angles, whose volumes and distances are then wrong."""

FARTHEST = 1e5
"""mm from the origin of the scanner beyond which single precision no longer tells voxels apart."""

PADDING = -1100
"""HU below which no tissue and no air lies: what scanners write outside the field of view."""


def check_ct(ct: Volume, name: str = "The volume") -> None:
    """Raise `ImplausibleCT` unless the values, the number of slices and the spacing are those of a CT.

    Parameters
    ----------
    ct : Volume
        HU, any geometry.
    name : str
        What to call it in the sentence.
    """
    check_finite(ct.array, name)
    slices = ct.geometry.size[axial_axis(ct.geometry)]
    if slices < MIN_SLICES:
        raise ImplausibleCT(
            f"{name} has {slices} axial slices, and at least {MIN_SLICES} are needed; give the whole CT."
        )
    axes = ct.geometry.axes
    if not np.allclose(axes.T @ axes, np.eye(3), atol=SKEW):
        raise ImplausibleCT(f"The axes of {name} are not at right angles to each other; resample it to straight ones.")
    if not np.abs(ct.geometry.origin).max() < FARTHEST:
        raise ImplausibleCT(f"{name} lies nowhere near a patient by its header; correct the origin in it.")
    extent = ct.geometry.extent
    if not all(FIELD_OF_VIEW[0] <= mm <= FIELD_OF_VIEW[1] for mm in extent) or np.prod(extent) > LARGEST_VIEW:
        size = " x ".join(f"{mm:.0f}" for mm in extent)
        raise ImplausibleCT(f"{name} measures {size} mm, which is no chest; correct the voxel spacing in its header.")
    _check_values(ct.array, name)


def check_finite(array: np.ndarray, name: str) -> None:
    """Raise `ImplausibleCT` if any value of an array is NaN or infinite."""
    if not np.isfinite(array).all():
        raise ImplausibleCT(f"{name} has NaN or infinite values; replace them, with -1024 HU outside the body, say.")


def warn_about(ct: Volume) -> list[str]:
    """Warnings about a CT that can be assessed all the same.

    Parameters
    ----------
    ct : Volume
        HU, any geometry, as it was read: slices more than `MAX_SLICE_THICKNESS` mm apart are warned of.

    Returns
    -------
    list of str
    """
    thickness = ct.geometry.spacing[axial_axis(ct.geometry)]
    if thickness <= MAX_SLICE_THICKNESS:
        return []
    return [
        f"The slices lie {thickness:.1f} mm apart. Above {MAX_SLICE_THICKNESS:.0f} mm the texture features, and with "
        "them the probabilities, are less reliable."
    ]


def axial_axis(geometry: Geometry) -> int:
    """The axis (0: x, 1: y, 2: z of the array's geometry) that runs nearest to feet - head."""
    return int(np.abs(np.reshape(geometry.direction, (3, 3))[2]).argmax())


def _check_values(array: np.ndarray, name: str) -> None:
    sample = array[::2, ::4, ::4]
    if len(np.unique(sample)) <= 32:
        raise ImplausibleCT(f"{name} is no CT but looks like a mask: it has only a few different values; give the CT.")
    inside = sample[sample > PADDING]
    if inside.size and inside.min() >= 0:
        bright = inside[inside > 500]
        if bright.size and np.mean((bright > 900) & (bright < 1200)) > 0.3 and np.mean(inside < 300) > 0.05:
            raise ImplausibleCT(
                f"{name} holds stored values, not HU: air is near 0 and soft tissue near 1024; apply the rescale slope "
                "and intercept of its DICOM header (usually: subtract 1024)."
            )
        raise ImplausibleCT(
            f"{name} is no CT in HU: it has no negative values, as of MR or a picture for display; give a CT in HU."
        )
    air = np.mean((inside > PADDING) & (inside < -500))
    tissue = np.mean((inside > -200) & (inside < 300))
    if not inside.size or air < 0.01 or tissue < 0.01:
        raise ImplausibleCT(
            f"{name} is no chest CT in HU: {air:.0%} of it is as dense as air or lung and {tissue:.0%} as soft tissue; "
            "give a CT in HU."
        )
