"""Pictures of the same places in several CTs, and curves of the measures over time."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..imaging.volume import Geometry, Volume, triple
from ..reports.figures import Picture
from ..reports.opacity_figures import APART, most_of, outlined
from .registration import Registration, resampled
from .scans import Scan

if TYPE_CHECKING:
    import SimpleITK as sitk

COARSE = 3
"""mm between the voxels on which the slices are chosen."""

OUTSIDE = -2048
"""Instead of HU where a CT does not reach."""

CURVES = {"both": "#1c2430", "right": "#c98a00", "left": "#2f6fb2"}
"""Apart for colour-blind readers, too."""


@dataclass(frozen=True)
class Place:
    """A slice of the earliest CT, and the same place in each later one."""

    caption: str
    pictures: list[Picture]


def same_places(scans: Sequence[Scan], registrations: Sequence[Registration], labels: Sequence[str]) -> list[Place]:
    """The axial slices and the coronal one that show most opacities where all CTs reach.

    Parameters
    ----------
    scans : sequence of Scan
    registrations : sequence of Registration
        Of each CT but the first to the first.
    labels : sequence of str
        What to call each CT.

    Returns
    -------
    list of Place
        Axial ones from the apex down, then the coronal one, in radiological convention.
    """
    grid = scans[0].ct.geometry
    transforms = [None, *(one.transform for one in registrations)]
    found = []
    for axis, index, caption in _slices(scans, transforms):
        plane, pictures = _plane(grid, axis, index), []
        for scan, transform, label in zip(scans, transforms, labels, strict=True):
            hu, opacities = (_seen(volume, plane, transform) for volume in (scan.ct, scan.opacities))
            hu, opacities = (np.squeeze(one, axis) for one in (hu, opacities))
            if axis == 1:  # the head up
                hu, opacities = hu[::-1], opacities[::-1]
            pictures.append(Picture(f"{label}: {caption}", outlined(hu, opacities), hu.shape[1] / hu.shape[0]))
        found.append(Place(caption, pictures))
    return found


def on_first(scan: Scan, registration: Registration, first: Scan) -> Volume:
    """A later CT in HU on the grid of the first, as far as that was measured."""
    return Volume(_seen(scan.ct, first.ct.geometry, registration.transform), first.ct.geometry)


def _slices(scans: Sequence[Scan], transforms: Sequence) -> list[tuple[int, int, str]]:
    """Axis of the array, index and caption of each slice to be shown."""
    first = scans[0]
    coarse = first.ct.geometry.with_spacing(COARSE)
    amount, shown = np.zeros(coarse.shape), np.ones(coarse.shape, bool)
    for scan, transform in zip(scans, transforms, strict=True):
        amount += _seen(scan.opacities, coarse, transform) > 0
        shown &= _seen(scan.ct, coarse, transform) > OUTSIDE
    lung = _seen(first.lungs, coarse, None) > 0
    amount = amount if amount.any() else lung.astype(float)
    amount *= shown if (shown & (amount > 0)).any() else 1
    apex = np.flatnonzero(first.lungs.array.any(axis=(1, 2)))[-1]
    chosen = most_of(amount.sum(axis=(1, 2)), APART // COARSE + 1)
    axial = [min(z * COARSE, first.ct.array.shape[0] - 1) for z in chosen]
    y = min(int(amount.sum(axis=(0, 2)).argmax()) * COARSE, first.ct.array.shape[1] - 1)
    return [*((0, z, f"axial, {apex - z} mm below the apex") for z in axial), (1, y, "coronal")]


def _plane(grid: Geometry, axis: int, index: int) -> Geometry:
    """One slice of a grid at right angles to an axis of its array."""
    size, start = list(grid.size), [0, 0, 0]
    size[2 - axis], start[2 - axis] = 1, index
    return Geometry(triple(size), grid.spacing, triple(grid.point_at(start).tolist()), grid.direction)


def _seen(volume: Volume, grid: Geometry, transform: sitk.Transform | None) -> np.ndarray:
    """A CT, or labels, on a grid of the first CT."""
    import SimpleITK as sitk

    labels = volume.array.dtype == np.uint8
    image = resampled(volume.to_image(), grid, transform, 0 if labels else OUTSIDE, labels)
    return sitk.GetArrayFromImage(image)


def curve(scans: Sequence[Scan], shown: dict[str, str], what: str, at: Sequence[float], ticks: Sequence[str]) -> str:
    """Measures over time, with their intervals, as the URL of an SVG.

    Parameters
    ----------
    scans : sequence of Scan
    shown : dict
        Of a part of the lungs, one of `CURVES`, the key of its measure.
    what : str
        What is measured, with its unit; shares are shown in %.
    at : sequence of float
        Where each CT lies along the axis: days, or numbers.
    ticks : sequence of str
        What is written there.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6, 2.6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    apart = 0.008 * (max(at) - min(at))
    for number, (part, key) in enumerate(shown.items()):
        places = [(x + (number - 1) * apart, scan.values[key]) for x, scan in zip(at, scans, strict=True)]
        places = [(x, value) for x, value in places if value]
        if not places:
            continue
        factor = 100 if key.endswith("share") else 1
        x, values = zip(*places, strict=True)
        middle, low, high = (np.array([factor * one[name] for one in values]) for name in ("value", "low", "high"))
        axes.errorbar(
            x,
            middle,
            (middle - low, high - middle),
            color=CURVES[part],
            label=part,
            marker="o",
            markersize=4,
            linewidth=2.2 if part == "both" else 1.2,
            elinewidth=1,
            capsize=3,
        )
    axes.set_xticks(at, ticks, fontsize=8)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.12)
    axes.set_ylabel(what, fontsize=8, color="#5b6675")
    axes.tick_params(labelsize=8, colors="#5b6675")
    axes.spines[["top", "right"]].set_visible(False)
    if len(shown) > 1:
        figure.legend(loc="outside upper left", ncols=3, frameon=False, fontsize=8)
    svg = io.BytesIO()
    figure.savefig(svg, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(svg.getvalue()).decode()
