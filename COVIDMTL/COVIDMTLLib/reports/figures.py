"""Pictures of a CT with the outline of the lungs, dashed where it was inferred."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.labels import LEFT, RIGHT
from ..imaging.volume import Volume
from ..measurements.boundary_visibility import INFERRED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LUNG_WINDOW = (-1350, 150)  # HU
COLOURS = {RIGHT: "#ffb000", LEFT: "#33c9dc"}
"""Outlines of the lungs: apart for colour-blind readers and bright on both lung and tissue."""

DASHES = (0, (3.2, 1.6))
"""What is drawn and left out of an inferred outline, in line widths."""

MARGIN = 30
"""Voxels of 1 mm that a picture shows around the lungs."""


@dataclass(frozen=True)
class Picture:
    """A PNG as a data URL, with its caption and its width as a share of its height."""

    caption: str
    url: str
    aspect: float


def three_planes(ct: Volume, lungs: Volume, boundary: Volume) -> list[Picture]:
    """Axial, coronal and sagittal pictures of the lungs, in radiological convention.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs : Volume
        1 right lung, 2 left lung, on the same grid.
    boundary : Volume
        Where the image shows the boundary of the lungs: the labels of a `boundary_visibility.Boundary`.

    Returns
    -------
    list of Picture
    """
    box = box_of(lungs.array > 0, MARGIN)
    hu, mask, shown = (volume.array[box] for volume in (ct, lungs, boundary))
    # The slice with most lung of each kind; of the sagittal ones that is always through one lung.
    z, y, x = (int(np.count_nonzero(mask, axis=other).argmax()) for other in ((1, 2), (0, 2), (0, 1)))
    side = "right" if np.count_nonzero(mask[:, :, x] == RIGHT) > np.count_nonzero(mask[:, :, x] == LEFT) else "left"
    planes: dict[str, int | tuple[int | slice, ...]] = {
        "Axial": np.s_[z],
        "Coronal": np.s_[::-1, y],
        f"Sagittal, {side} lung": np.s_[::-1, :, x],
    }
    return [
        Picture(caption, _png(hu[at], mask[at], shown[at]), hu[at].shape[1] / hu[at].shape[0])
        for caption, at in planes.items()
    ]


def attention_pictures(ct: Volume, lungs: Volume, boundary: Volume, attention: Volume) -> list[Picture]:
    """Axial, coronal and sagittal pictures through the place of most attention, in colour over the CT.

    Parameters
    ----------
    ct, lungs, boundary : Volume
        As of `three_planes`.
    attention : Volume
        0 to 1, on the same grid.

    Returns
    -------
    list of Picture
    """
    box = box_of(lungs.array > 0, MARGIN)
    hu, mask, shown, shares = (volume.array[box] for volume in (ct, lungs, boundary, attention))
    # Attention is coarse, and has plateaus: the middle of what is nearly the most.
    z, y, x = np.argwhere(shares >= 0.9 * shares.max()).mean(axis=0).round().astype(int)
    planes = {"Axial": np.s_[z], "Coronal": np.s_[::-1, y], "Sagittal": np.s_[::-1, :, x]}
    return [
        Picture(caption, _png(hu[at], mask[at], shown[at], shares[at]), hu[at].shape[1] / hu[at].shape[0])
        for caption, at in planes.items()
    ]


def _png(
    hu: np.ndarray, labels: np.ndarray, boundary: np.ndarray, attention: np.ndarray | None = None, height: int = 480
) -> str:
    from matplotlib.collections import LineCollection

    axes = bare_axes(hu.shape, height)
    axes.imshow(hu, cmap="gray", vmin=LUNG_WINDOW[0], vmax=LUNG_WINDOW[1], interpolation="bicubic")
    if attention is not None:
        # Transparent where there is none, so that the lung can be judged beside what the network saw in it.
        axes.imshow(attention, cmap="inferno", vmin=0, vmax=1, alpha=0.5 * attention, interpolation="bilinear")
    for label, colour in COLOURS.items():
        lung = labels == label
        if not lung.any():
            continue
        for line in axes.contour(lung, [0.5], alpha=0).allsegs[0]:
            shown, inferred = outline_parts(line, lung & (boundary == INFERRED))
            axes.add_collection(LineCollection(shown, colors=colour, linewidths=1.2))
            axes.add_collection(LineCollection(inferred, colors=colour, linewidths=1.6, linestyles=[DASHES]))
    return png_of(axes)


def bare_axes(shape: tuple[int, int], height: int = 480) -> Axes:
    """Matplotlib axes without anything around them for a picture of a shape (rows, columns), so many pixels high."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows, columns = shape
    figure = Figure(figsize=(height / 100 * columns / rows, height / 100), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return axes


def png_of(axes: Axes) -> str:
    """The figure of Matplotlib axes as a PNG, in a data URL."""
    png = io.BytesIO()
    axes.figure.savefig(png, format="png")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def outline_parts(line: np.ndarray, inferred: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The parts of an outline that the image shows, and those that were inferred.

    Parameters
    ----------
    line : ndarray of shape (N, 2)
        Points (x, y) midway between a pixel of the lung and one beside it.
    inferred : ndarray of bool, shape (y, x)
        Pixels of the lung at which its boundary was inferred.

    Returns
    -------
    shown, inferred : list of ndarray of shape (n, 2)
        Lines that together are the outline.
    """
    (x, y), (beyond_x, beyond_y) = np.floor(line.T).astype(int), np.ceil(line.T).astype(int)
    at_point = inferred[y, x] | inferred[beyond_y, beyond_x]
    dashed = at_point[:-1] & at_point[1:]
    ends = [0, *(np.flatnonzero(np.diff(dashed)) + 1), len(dashed)]
    parts = [(line[start : end + 1], dashed[start]) for start, end in pairwise(ends)]
    return [part for part, is_dashed in parts if not is_dashed], [part for part, is_dashed in parts if is_dashed]
