"""Pictures of opacities: outlines on the slices that show most of them, and a map of the zones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..imaging.bounding_box import box_of
from ..imaging.labels import OPACITIES
from ..imaging.volume import Volume
from ..opacities.measures import ZONES, zones_of
from .figures import LUNG_WINDOW, MARGIN, Picture, bare_axes, png_of

COLOURS = {label: "#{:02x}{:02x}{:02x}".format(*opacity.colour) for label, opacity in OPACITIES.items()}
"""Outlines of opacities."""

APART = 25
"""mm between the slices that are shown, at least."""

SLICES = 3

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
    areas = np.count_nonzero(labels, axis=(1, 2))
    chosen: list[int] = []
    while len(chosen) < SLICES and areas.any():
        z = int(areas.argmax())
        chosen.append(z)
        areas[max(0, z - APART + 1) : z + APART] = 0
    apex = np.flatnonzero(sides.any(axis=(1, 2)))[-1]
    return [
        Picture(f"{apex - z} mm below the apex", _outlined(hu[z], labels[z]), hu.shape[2] / hu.shape[1])
        for z in sorted(chosen, reverse=True)
    ]


def _outlined(hu: np.ndarray, labels: np.ndarray) -> str:
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
            axes.contour(zone, [0.5], colors=["#1c2430"], linewidths=1)
            y, x = (float(np.mean(places)) for places in np.nonzero(zone))
            text = f"{share['share']:.0%}\nscore {measures['zones'][name]['score']}"
            colour = "w" if share["share"] > 0.6 * DARKEST else "#1c2430"
            axes.text(x, y, text, ha="center", va="center", fontsize=15, color=colour)
    return Picture("Zones, as seen from the front", png_of(axes), zones.shape[1] / zones.shape[0])
