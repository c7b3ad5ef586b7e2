"""A synthetic chest CT (phantom) with known lungs and opacities, for tests and demonstrations.

It looks like a thorax and has the densities of one, so that methods for chest CT run on it; it says
nothing about how well they do on patients.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..imaging.volume import Geometry, Volume, triple
from ..utils.errors import InputError
from .anatomy import Anatomy, anatomy
from .body import FAT, MUSCLE
from .opacities import PATTERNS, opacity_fields
from .rasterise import Canvas
from .shapes import FIELD_OF_VIEW, X, Y, Z, inside_all, near_tubes, texture

GROUND_GLASS, CONSOLIDATION = 1, 2
PARENCHYMA, BLOOD, LUMEN = -865.0, 45.0, -980.0


@dataclass(frozen=True)
class Phantom:
    """A synthetic chest CT and the truth about it, all on the same grid.

    Attributes
    ----------
    ct : Volume
        HU, int16.
    lungs : Volume
        uint8, 1 right lung, 2 left lung: with vessels and opacities, without trachea and main bronchi.
    opacities : Volume
        uint8, 1 ground glass, 2 consolidation.
    """

    ct: Volume
    lungs: Volume
    opacities: Volume


def thorax(
    seed: int = 0,
    *,
    ground_glass: float = 0.0,
    consolidation: float = 0.0,
    pattern: str = "peripheral",
    lean: float = 0.0,
    spacing: tuple[float, float, float] = (0.8, 0.8, 1.25),
    size: float = 1.0,
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Phantom:
    """A synthetic chest CT of a patient on their back, arms up, at full inspiration.

    The seed decides on the anatomy, the opacities and the noise. The anatomy is the same with and
    without opacities.

    Parameters
    ----------
    seed : int
        Same seed, same arrays.
    ground_glass, consolidation : float
        Share of the lung volume, 0 to 0.5, met to a tenth of it from 0.01 on.
    pattern : str
        Where opacities lie: ``peripheral``, at the chest wall, the back and the bases of both lungs, as in
        COVID-19 pneumonia; or ``lobar``, around a point in one lobe, as in bacterial pneumonia.
    lean : float
        How much the peripheral pattern prefers the left lung, or, below 0, the right one; with 2 nearly all of
        it lies there.
    spacing : tuple of 3 float
        Of the voxels along x, y, z in mm.
    size : float
        Of the patient, 1 for an adult.
    offset : tuple of 3 float
        Where the middle of the scan lies beside its usual place in the patient, along x, y, z in mm.

    Returns
    -------
    Phantom
        About 400 x 300 x 350 mm for an adult, centred on the patient, axes along LPS.

    Raises
    ------
    InputError
        For a negative seed, a share outside 0..0.5, an unknown pattern, or a spacing or size that is not above 0.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> phantom = covidmtl.make_phantom(seed=3, ground_glass=0.1, spacing=(3.0, 3.0, 3.0), size=0.5)
    >>> phantom.ct.geometry.spacing
    (3.0, 3.0, 3.0)
    """
    if not all(0 <= share <= 0.5 for share in (ground_glass, consolidation)):
        raise InputError(f"Shares of the lung volume must be 0 to 0.5, not {ground_glass} and {consolidation}.")
    if seed < 0:
        raise InputError(f"A seed must be 0 or more, not {seed}.")
    if pattern not in PATTERNS:
        raise InputError(f"The pattern of opacities must be one of {', '.join(PATTERNS)}, not {pattern}.")
    if not (len(spacing) == 3 and all(s > 0 for s in (*spacing, size))):
        raise InputError(f"Spacing (x, y, z) and size must be above 0, not {spacing} and {size}.")
    geometry = _scan(spacing, size, offset)
    canvas = Canvas(geometry, size)
    body = anatomy(np.random.default_rng([seed, 0]))

    for distance, hu in body.wall:
        canvas.paint(distance, hu)
    _paint_ribs(canvas, body)
    for distance, hu in body.organs:
        canvas.paint(distance, hu)
    canvas.paint_tubes(body.bones, 300, over=MUSCLE)

    lungs = np.zeros(geometry.shape, np.uint8)
    opacities = np.zeros(geometry.shape, np.uint8)
    rng = np.random.default_rng([seed, 1])
    _paint_lungs(canvas, body, lungs, opacities, rng, (ground_glass, consolidation, pattern, lean))
    canvas.paint_tubes(body.vessels, BLOOD, over=PARENCHYMA)
    _paint_airways(canvas, body, lungs)
    opacities[lungs == 0] = 0
    return Phantom(*(Volume(array, geometry) for array in (canvas.scanned(seed), lungs, opacities)))


def _scan(spacing: tuple[float, float, float], size: float, offset: tuple[float, float, float]) -> Geometry:
    (z0, z1), (y0, y1), (x0, x1) = FIELD_OF_VIEW
    lows, highs = (x0, y0, z0), (x1, y1, z1)
    count = triple(max(2, int((high - low) * size / s)) for low, high, s in zip(lows, highs, spacing, strict=True))
    # The middle of the grid is the middle of the field of view, but for the offset.
    ends = zip(lows, highs, count, spacing, offset, strict=True)
    origin = triple(((low + high) * size - (n - 1) * s) / 2 + by for low, high, n, s, by in ends)
    return Geometry(count, triple(float(s) for s in spacing), origin)


def _paint_ribs(canvas: Canvas, body: Anatomy) -> None:
    """Hoops around the cage that slant down to the front and end in cartilage, all the same distance apart."""
    z, y, _ = canvas.axes
    # The costal arch: the lower ribs do not reach the front.
    region = inside_all(body.cage - 11, -190 - Y - Z, Z - 130, 13 - np.abs(X))
    for where, outside in canvas.sections(region):
        k, rows, _columns = where
        gap = canvas.section(body.cage, *where)
        height = (z[k] - body.rib_offset - 0.45 * y[rows, None]) % 25 - 12.5
        rib = (np.hypot((gap - 5) / 3.6, height / 6) - 1) * 3.6
        rib = np.maximum(rib, outside)
        cartilage = np.clip((-55 - y[rows, None]) / 10, 0, 1)
        canvas.blend(where, rib, 650 - 550 * cartilage)
        canvas.blend(where, rib + 1.5, 180 - 90 * cartilage)


def _paint_lungs(
    canvas: Canvas,
    body: Anatomy,
    lungs: np.ndarray,
    opacities: np.ndarray,
    rng: np.random.Generator,
    wanted: tuple[float, float, str, float],
) -> None:
    """Paint parenchyma and the opacities that are wanted; fill the masks `lungs` and `opacities`."""
    # Gravity makes the lung denser at the back.
    parenchyma = PARENCHYMA + 0.35 * (Y + 0 * Z) + 14 * texture(rng, 7) + 14 * texture(rng, 30)
    densities = np.clip(-490 + 60 * texture(rng, 9), -600, -370), 12 * texture(rng, 9)
    fields = opacity_fields(body, rng, *wanted)
    patches = [
        (label, field, density)
        for label, field, density in zip((GROUND_GLASS, CONSOLIDATION), fields, densities, strict=True)
        if field is not None
    ]
    x = canvas.axes[2]
    for where, d in canvas.sections(body.lungs):
        hu = canvas.section(parenchyma, *where)
        fissure = canvas.section(body.fissures, *where)
        hu += 130 * canvas.cover(np.abs(fissure) - 0.2)
        within = d < 0
        lungs[where] = within * np.where(x[where[2]] < body.midline, 1, 2)
        for label, field, density in patches:
            strength = canvas.section(field, *where)
            # Edges are soft, and what the label covers has most of its density.
            hu += (canvas.section(density, *where) - hu) * np.clip(0.85 + strength / np.float32(0.3), 0, 1)
            opacities[where][within & (strength > 0)] = label
        canvas.blend(where, d, hu)


def _paint_airways(canvas: Canvas, body: Anatomy, lungs: np.ndarray) -> None:
    """Paint walls, then lumina, so that branchings stay open; take trachea and main bronchi from `lungs`."""
    trachea_wall = body.trachea + (0, 0, 0, 0, 0, 0, 1.3, 1.3)
    # The walls end where the bronchi do, so that their lumen opens into the parenchyma as it does at this
    # resolution in a patient.
    radius = body.bronchi[:, 6:]
    bronchial_wall = np.hstack([body.bronchi[:, :6], radius + 0.3 * (radius - radius.min())])
    canvas.paint_tubes(trachea_wall, MUSCLE, over=FAT)
    canvas.paint_tubes(bronchial_wall, MUSCLE, over=PARENCHYMA)
    canvas.paint_tubes(body.bronchi, LUMEN, over=MUSCLE)
    canvas.paint_tubes(body.trachea, LUMEN, over=MUSCLE)
    for _, boxes, distances in near_tubes(canvas.axes, trachea_wall, 0):
        for box, distance in zip(boxes, distances, strict=True):
            lungs[box][distance < 0] = 0
