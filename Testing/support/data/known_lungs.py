"""What is known of the lungs of a real CT: a mask, or what is surely lung and what is surely not."""

from pathlib import Path

import numpy as np
from COVIDMTLLib.imaging.coarse_grid import block_mean, dilated, eroded, repeated
from COVIDMTLLib.imaging.io.reader import read_mask
from COVIDMTLLib.imaging.volume import Volume, labels_on

CLOSED, AWAY = 20.0, 14.0
"""mm by which lungs are closed, and from there to what is surely not lung."""

WITHIN = 7.0
"""mm by which what is surely lung is closed for opacities to be planted in it."""


def known_lungs(folder: Path, name: str, ct: Volume) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Lungs, what is surely lung and what is surely not, of a CT of a folder on its grid; None if nothing is known.

    Known is NAME_mask.nrrd or NAME_reference_lung.nrrd, the lungs, or NAME_trimap.nrrd: 1 surely lung, 0 surely not.
    """
    for kind in ("mask", "reference_lung"):
        if (folder / f"{name}_{kind}.nrrd").is_file():
            lungs = labels_on(read_mask(folder / f"{name}_{kind}.nrrd"), ct.geometry).array > 0
            margin = int(CLOSED // 3) + 2
            coarse = np.pad(block_mean(lungs) > 0.5, margin)
            closed = eroded(dilated(coarse, CLOSED), CLOSED)
            far = ~dilated(closed, AWAY)[(slice(margin, -margin),) * 3]
            return lungs, lungs, repeated(far, lungs.shape)
    if not (folder / f"{name}_trimap.nrrd").is_file():
        return None
    trimap = read_mask(folder / f"{name}_trimap.nrrd")
    sure, other = (
        labels_on(trimap.with_array((trimap.array == value).astype(np.uint8)), ct.geometry).array > 0
        for value in (1, 0)
    )
    lungs = (eroded(dilated(sure, WITHIN, 1), WITHIN, 1) | sure) & ~other
    return lungs, sure, other
