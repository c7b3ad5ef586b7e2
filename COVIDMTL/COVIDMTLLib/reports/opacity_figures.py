"""Pictures of opacities: outlines on the slices that show most of them, a map of the zones, and the densities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.labels import OPACITIES
from ..imaging.volume import Volume
from ..opacities.measures import ZONES, zones_of
from .cohort_densities import draw_ranges
from .figures import LUNG_WINDOW, MARGIN, Picture, bare_axes, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {label: "#{:02x}{:02x}{:02x}".format(*opacity.colour) for label, opacity in OPACITIES.items()}
"""Outlines of opacities."""

APART = 25
"""mm between the slices that are shown, at least."""

SLICES = 3

DENSITIES, BIN = (-1000, 100), 20
"""HU that the histogram of the densities shows, those beyond at its ends, and the width of its bins."""

INK, REST = "#1c2430", "#b9c2cd"
"""Lines and letters of pictures, and what is no opacity."""

STEP = 2
"""mm between the voxels whose density is counted."""

DARKEST = 0.75
"""Share of a zone with opacities from which it has the darkest colour."""


def opacity_pictures(ct: Volume, lungs: Volume, opacities: Volume) -> list[Picture]:
    """The axial slices that show most opacities, from the apex down, in radiological convention.

    Parameters
    ----------
    ct : Volume
        HU on the 1 mm working grid.
    lungs, opacities : Volume
        Labels on the same grid.

    Returns
    -------
    list of Picture
        Up to `SLICES`; none if there are no opacities.
    """
    if not lungs.array.any():
        return []
    box = box_of(lungs.array > 0, MARGIN)
    hu, labels, sides = ct.array[box], opacities.array[box], lungs.array[box]
    chosen = most_of(np.count_nonzero(labels, axis=(1, 2)), APART)
    apex = np.flatnonzero(sides.any(axis=(1, 2)))[-1]
    return [
        Picture(f"{apex - z} mm below the apex", outlined(hu[z], labels[z]), hu.shape[2] / hu.shape[1]) for z in chosen
    ]


def most_of(areas: np.ndarray, apart: int) -> list[int]:
    """The slices, from the apex down, that show most of something.

    Up to `SLICES`, ``apart`` slices or more between them.

    Parameters
    ----------
    areas : ndarray of shape (z,)
        Of each slice.
    apart : int
    """
    areas = areas.copy()
    chosen: list[int] = []
    while len(chosen) < SLICES and areas.any():
        z = int(areas.argmax())
        chosen.append(z)
        areas[max(0, z - apart + 1) : z + apart] = 0
    return sorted(chosen, reverse=True)


def outlined(hu: np.ndarray, labels: np.ndarray) -> str:
    """A slice with outlines of opacities as the URL of a PNG.

    Parameters
    ----------
    hu : ndarray of shape (rows, columns)
    labels : ndarray of shape (rows, columns)
        1 ground glass, 2 consolidation.
    """
    axes = bare_axes(hu.shape)
    axes.imshow(hu, cmap="gray", vmin=LUNG_WINDOW[0], vmax=LUNG_WINDOW[1], interpolation="bicubic")
    for label, colour in COLOURS.items():
        if (labels == label).any():
            axes.contour(labels == label, [0.5], colors=[colour], linewidths=1.2)
    return png_of(axes)


def zone_map(lungs: Volume, measures: Mapping[str, Any]) -> Picture | None:
    """The lungs as seen from the front, each zone as dark as it has opacities, with its share and score.

    Parameters
    ----------
    lungs : Volume
        1 right lung, 2 left lung, on the 1 mm working grid.
    measures : mapping
        As of `measures.measure_opacities`.

    Returns
    -------
    Picture or None
        None without lungs.
    """
    if not lungs.array.any():
        return None
    zones = zones_of(lungs.array[box_of(lungs.array > 0, MARGIN // 3)]).max(axis=1)[::-1]
    shares = np.full(zones.shape, np.nan)
    axes = bare_axes(zones.shape)
    for number, name in enumerate(ZONES, 1):
        zone, share = zones == number, measures["zones"][name]["opacity"]
        if share is not None and zone.any():
            shares[zone] = share["share"]
    axes.imshow(shares, cmap="OrRd", vmin=0, vmax=DARKEST, interpolation="nearest")
    for number, name in enumerate(ZONES, 1):
        zone, share = zones == number, measures["zones"][name]["opacity"]
        if share is not None and zone.any():
            axes.contour(zone, [0.5], colors=[INK], linewidths=1)
            y, x = (float(np.mean(places)) for places in np.nonzero(zone))
            text = f"{share['share']:.0%}\nscore {measures['zones'][name]['score']}"
            colour = "w" if share["share"] > 0.6 * DARKEST else INK
            axes.text(x, y, text, ha="center", va="center", fontsize=15, color=colour)
    return Picture("Zones, as seen from the front", png_of(axes), zones.shape[1] / zones.shape[0])


def density_histogram(
    ct: Volume,
    lungs: Volume,
    opacities: Volume,
    healthy_hu: float | None,
    features: Mapping[str, float] | None = None,
) -> Picture | None:
    """How much of the lungs has which density, opacities in their colours over the rest, healthy lung marked.

    Parameters
    ----------
    ct, lungs, opacities : Volume
        As of `opacity_pictures`.
    healthy_hu : float or None
        Of healthy lung, if the CT shows some.
    features : mapping, optional
        Of lungs as those of the cohort are, to show the percentiles of the density beside the cohort's.

    Returns
    -------
    Picture or None
        None without lungs.
    """
    if not lungs.array.any():
        return None
    millilitres, edges = densities(ct, lungs, opacities)
    axes, below = _histogram_axes(bool(features))
    axes.hist(
        [edges[:-1]] * len(millilitres),
        edges,
        weights=list(millilitres),
        stacked=True,
        histtype="stepfilled",
        label=["lung without opacities", *(opacity.name for opacity in OPACITIES.values())],
        color=[REST, *COLOURS.values()],
    )
    if healthy_hu is not None:
        title = f"healthy lung, \N{MINUS SIGN}{-healthy_hu:.0f} HU"
        axes.axvline(healthy_hu, color=INK, linewidth=1.4, linestyle="--", label=title)
    axes.legend(frameon=False, fontsize=11)
    if features and below is not None:
        draw_ranges(below, features)
    width, height = axes.figure.get_size_inches()
    return Picture("Density of the lungs", png_of(axes), width / height)


def densities(ct: Volume, lungs: Volume, opacities: Volume) -> tuple[np.ndarray, np.ndarray]:
    """The densities of the lungs, by voxels `STEP` apart.

    Parameters
    ----------
    ct, lungs, opacities : Volume
        As of `opacity_pictures`; there are lungs.

    Returns
    -------
    millilitres : ndarray of shape (3, n)
        Of lung without opacities, ground glass and consolidation in each bin.
    edges : ndarray of shape (n + 1,)
        HU of the bins.
    """
    box = tuple(slice(part.start, part.stop, STEP) for part in box_of(lungs.array > 0, 0))
    hu, lung, labels = ct.array[box], lungs.array[box] > 0, opacities.array[box]
    edges = np.arange(DENSITIES[0], DENSITIES[1] + BIN, BIN)
    counts = [np.histogram(np.clip(hu[lung & (labels == label)], *DENSITIES), edges)[0] for label in (0, *OPACITIES)]
    return np.array(counts) * STEP**3 * ct.geometry.voxel_volume, edges


def _histogram_axes(with_cohort: bool) -> tuple[Axes, Axes | None]:
    """Axes of the histogram, and those below it for the cohort."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = (3.6, 1.4) if with_cohort else (4.0,)
    figure = Figure(figsize=(7.2, sum(heights)), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    parts = figure.subplots(len(heights), sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axes in parts:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=11)
    parts[0].set_xlim(*DENSITIES)
    parts[0].set_ylabel(f"ml in {BIN} HU", fontsize=11)
    parts[-1].set_xlabel("HU", fontsize=11)
    return parts[0], parts[1] if with_cohort else None
