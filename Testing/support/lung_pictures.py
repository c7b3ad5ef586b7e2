"""Pages of pictures of the cases of the benchmark of lung segmentation, to look at what measures do not tell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from COVIDMTLLib.reports.figures import LUNG_WINDOW, MARGIN

REFERENCE_COLOUR, FOUND_COLOUR = "#39d353", "#ffb000"
ON_A_PAGE = 5
HEIGHT, LABEL = 2.3, 0.35  # inches of a picture, and of what is written beside and above pictures


@dataclass(frozen=True)
class Band:
    """What is shown of a case.

    Attributes
    ----------
    title : str
    slices : list of (array, array)
        HU and reference of an axial, a coronal and a sagittal slice, head up.
    found : dict
        By method: how well the lungs were found, in words, and its mask in each of the slices.
    """

    title: str
    slices: list[tuple[np.ndarray, np.ndarray]]
    found: dict[str, tuple[str, list[np.ndarray]]]


def band(
    title: str,
    hu: np.ndarray,
    reference: np.ndarray,
    opacities: np.ndarray | None,
    found: dict[str, tuple[str, np.ndarray]],
) -> Band:
    """The slices of a case with most opacities, or with most lung, in the box of the lungs.

    Parameters
    ----------
    title : str
    hu : ndarray, shape (z, y, x)
    reference, opacities : ndarray of bool, shape (z, y, x)
    found : dict
        By method: Dice in words, and its mask, bool (z, y, x).
    """
    from scipy import ndimage

    tight = ndimage.find_objects(reference.astype(np.uint8))[0]
    box = tuple(slice(max(0, side.start - MARGIN), side.stop + MARGIN) for side in tight)
    focus = (reference if opacities is None or not opacities.any() else opacities)[box]
    z, y, x = (int(np.count_nonzero(focus, axis=others).argmax()) for others in ((1, 2), (0, 2), (0, 1)))
    planes = np.s_[z], np.s_[::-1, y], np.s_[::-1, :, x]

    def cut(array: np.ndarray) -> list[np.ndarray]:
        return [array[box][plane].copy() for plane in planes]

    return Band(
        title,
        list(zip(cut(hu), cut(reference), strict=True)),
        {method: (words, cut(mask)) for method, (words, mask) in found.items()},
    )


def draw_pages(bands: list[Band], folder: Path) -> list[Path]:
    """Write ``page-1.png``, ``page-2.png``, ...: a band a case, with a block of three pictures a method."""
    pages = [bands[start : start + ON_A_PAGE] for start in range(0, len(bands), ON_A_PAGE)]
    paths = [folder / f"page-{number}.png" for number in range(1, len(pages) + 1)]
    for path, page in zip(paths, pages, strict=True):
        _page(page).savefig(path, dpi=110)
    return paths


def _page(bands: list[Band]):
    from matplotlib.figure import Figure

    methods = list(dict.fromkeys(method for one in bands for method in one.found))
    widths = [[HEIGHT * hu.shape[1] / hu.shape[0] for hu, _ in one.slices] for one in bands]
    block = max(map(sum, widths)) + LABEL / 2
    width, height = LABEL + block * len(methods), (HEIGHT + LABEL) * len(bands) + LABEL
    figure = Figure(figsize=(width, height), facecolor="black")
    figure.text(0.5, 1 - LABEL / 2 / height, "reference", color=REFERENCE_COLOUR, ha="right", va="center", fontsize=11)
    figure.text(0.5, 1 - LABEL / 2 / height, "  method", color=FOUND_COLOUR, ha="left", va="center", fontsize=11)
    for row, (one, wide) in enumerate(zip(bands, widths, strict=True)):
        bottom = height - LABEL - (row + 1) * (HEIGHT + LABEL)
        middle = (bottom + HEIGHT / 2) / height
        figure.text(LABEL / 2 / width, middle, one.title, color="w", rotation=90, ha="center", va="center", fontsize=9)
        for column, method in enumerate(methods):
            if method not in one.found:
                continue
            words, masks = one.found[method]
            left = LABEL + column * block
            above = (bottom + HEIGHT + 0.06) / height
            figure.text(left / width, above, f"{method}: {words}", color="w", va="bottom", fontsize=10)
            for (hu, reference), mask, inches in zip(one.slices, masks, wide, strict=True):
                axes = figure.add_axes((left / width, bottom / height, inches / width, HEIGHT / height))
                _picture(axes, hu, reference, mask)
                left += inches
    return figure


def _picture(axes, hu: np.ndarray, reference: np.ndarray, found: np.ndarray) -> None:
    axes.set_axis_off()
    axes.imshow(hu, cmap="gray", vmin=LUNG_WINDOW[0], vmax=LUNG_WINDOW[1], interpolation="bicubic")
    for mask, colour, width in ((found, FOUND_COLOUR, 1.3), (reference, REFERENCE_COLOUR, 0.6)):
        if mask.any():
            axes.contour(mask, [0.5], colors=[colour], linewidths=width)
