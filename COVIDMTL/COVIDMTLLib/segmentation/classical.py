"""The classical lung segmentation that the paper starts from (section 4.1, reference 25)."""

from __future__ import annotations

import numpy as np

from ..imaging.bounding_box import box_of
from .parameters import PUBLISHED


def segment_classical(ct: np.ndarray, threshold: float = PUBLISHED.threshold) -> np.ndarray:
    """Segment the lungs by threshold, borders and connected components.

    In each axial slice, air that touches the border is outside the body, and every solid structure but
    the largest lies within the lungs. Of the air that is left, the largest 3D component is the lungs
    with the airways that lead into them.

    Parameters
    ----------
    ct : ndarray of shape (z, y, x)
        HU on the 1 mm working grid.
    threshold : float
        HU below which a voxel is air or aerated lung.

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The lungs; empty if there is no enclosed air.
    """
    from skimage.measure import label
    from skimage.segmentation import clear_border

    lungs = np.zeros(ct.shape, bool)
    for lung, axial in zip(lungs, ct, strict=True):
        air = clear_border(axial < threshold)
        if air.any():
            solid = label(~air)
            body = np.bincount(solid.ravel())[1:].argmax() + 1
            lung[:] = solid != body
    return largest_component(lungs)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """The largest component of a mask.

    Parameters
    ----------
    mask : ndarray of bool, shape (z, y, x)

    Returns
    -------
    ndarray of bool, shape (z, y, x)
        The largest 26-connected component; empty if the mask is.
    """
    import SimpleITK as sitk

    largest = np.zeros(mask.shape, bool)
    if mask.any():
        box = box_of(mask)
        inside = mask[box]
        labels = sitk.GetArrayFromImage(sitk.ConnectedComponent(sitk.GetImageFromArray(inside.astype(np.uint8)), True))
        largest[box] = labels == np.bincount(labels[inside]).argmax()
    return largest
