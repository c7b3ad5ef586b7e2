"""The anatomy of the synthetic thorax, in the terms of `shapes`: what lies where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from .body import FAT, Layer, below_diaphragm, body_wall, midline_bones, trunk, upper_abdomen
from .shapes import (
    AXES,
    STEP,
    Floats,
    X,
    Y,
    Z,
    ellipsoid,
    inside_all,
    path,
    profile,
    texture,
    to_distance,
    tree,
    tubes_distance,
    wavy,
)

LEAF_RADIUS = 0.5
"""Radius of the smallest vessels that are drawn, in mm."""


@dataclass(frozen=True)
class Anatomy:
    """A thorax without opacities.

    Attributes
    ----------
    wall, organs : list of (distance, HU)
        What to paint before and after the ribs, one over the other.
    cage : distance
        The inner surface of the chest wall.
    lungs : distance
        Both lungs.
    fissures : distance
        The surface of the oblique fissures.
    midline : float
        x between the right lung and the left lung, mm.
    rib_offset : float
        Position of the ribs along z, mm.
    bones, trachea, bronchi, vessels : array (n, 8)
        Tubes: thin bones; the lumen of the trachea and the main bronchi; the lumen of the bronchi in the
        lungs; the vessels in the lungs.
    """

    wall: list[Layer]
    organs: list[Layer]
    cage: np.ndarray
    lungs: np.ndarray
    fissures: np.ndarray
    midline: float
    rib_offset: float
    bones: np.ndarray
    trachea: np.ndarray
    bronchi: np.ndarray
    vessels: np.ndarray


def anatomy(rng: np.random.Generator) -> Anatomy:
    """A thorax, another one for every state of `rng`."""

    def around(value: float, by: float) -> float:
        return value + by * rng.uniform(-1, 1)

    midline, deep = around(0, 3), around(1, 0.04)
    body, cage, sternum_y = trunk(wide=around(1, 0.05), deep=deep)
    spine_y = profile([-190, -100, 0, 60, 110, 170], [50, 60, around(66, 2), 62, 48, 32])
    below = below_diaphragm(right=around(-72, 8), left=around(-84, 6), middle=around(-93, 3))

    def before_spine(z: float, by: float) -> float:
        return float(spine_y(z)) - by

    carina = np.array((around(28, 4), before_spine(28, 40), around(2, 2)))
    hila = carina + (-28, -4, -46), carina + (-34, -1, 48)
    trachea = path([(170, before_spine(170, 36), 0), (100, before_spine(100, 38), 1), carina], around(8.5, 1))
    main_bronchi = [
        path([carina, carina + (-13, -1, -20), hila[0]], around(6.6, 0.4), 5),
        path([carina, carina + (-15, 1, 20), hila[1]], around(6.2, 0.4), 5),
    ]
    arch = carina[0] + around(26, 4)
    ascending: list[Floats] = [(-25, -18, 4), (15, -24, -12), (arch - 14, -16, -14), (arch, 4, -2), (arch, 26, 16)]
    below_arch = ((arch - 20, 25), (0, 24), (-90, 19), (-190, 10))
    descending: list[Floats] = [(z, before_spine(z, 27), x) for z, x in below_arch]
    large_vessels = [
        path(ascending + descending, around(14.5, 2), 10),
        path([(95, 2, -18), (60, -8, -23), (20, -12, -26), (-25, -8, -28)], 9),  # superior vena cava
        path([(-60, 8, -26), (-110, 20, -24), (-190, 26, -22)], 12),  # inferior vena cava
        path([(-20, -34, 14), (8, -22, 20), (14, -2, 18)], 14),  # pulmonary trunk and arteries
        path([(10, -6, 12), (6, 4, -14), hila[0] + (2, -13, 8)], 11, 7),
        path([(14, -4, 20), (12, 10, 34), hila[1] + (10, -6, -8)], 11, 7),
        path([(arch, 2, -4), (95, -4, -13), (170, -8, -24)], 6),  # branches of the arch
        path([(arch, 12, 8), (100, 8, 15), (170, 2, 24)], 5),
    ]
    great_vessels = tubes_distance(np.concatenate(large_vessels))
    middle = [(z, before_spine(z, by), x) for z, by, x in ((170, 22, 3), (40, 24, 4), (-60, 27, 4), (-120, 36, 14))]
    gullet = tubes_distance(path(middle, 6))
    heart_size = around(1, 0.07)
    heart = ellipsoid((-42, -30, around(17, 3)), np.multiply((66, 48, 45), heart_size), (-0.42, -0.45, 0.79))
    heart = inside_all(heart, below + 3)

    spine = np.sqrt(((X - midline) / 18) ** 2 + ((Y - spine_y(Z)) / 15) ** 2) * 16 - 16
    # What the lungs keep clear of, with the fat around it; the hilar ends of the bronchi lie in the lungs.
    central_airways = tubes_distance(np.concatenate([trachea, *(tubes[:-2] for tubes in main_bronchi)]))
    mediastinum = -inside_all(
        -(central_airways - 6),
        -(great_vessels - 4),
        -(gullet - 4),
        -(spine - 4),
        -(heart - around(5, 2)),
        -(np.abs(X - midline) - 5.5),
    )
    above_apices = Z - around(135, 3) + ((np.abs(X) - 38) ** 2 + (Y - 24) ** 2) / 90
    # Smoothing rounds the edges where two surfaces meet.
    lungs = to_distance(gaussian_filter(inside_all(cage, below, -mediastinum, above_apices), 3.5 / STEP))

    wall = body_wall(body, cage, fat=around(15, 4) + 3 * texture(rng, 40))
    organs: list[Layer] = [
        (cage, FAT),
        (inside_all(cage, -below), 45),
        (inside_all(cage + 3, 4 - below), FAT),
        *midline_bones(body + 7, spine, spine_y, midline, sternum_y, offset=around(0, 11)),
        (heart, 42),
        (great_vessels, 42),
        (gullet, 38),
        *upper_abdomen(inside_all(cage + 4, 5 - below), stomach_x=around(56, 4), gas_y=around(-28, 8)),
    ]
    collar_bones = [path([(96, -48, side * 24), (112, -44, side * 60), (124, -8, side * 120)], 6) for side in (-1, 1)]

    bronchi, vessels = [], []
    for hilum, side in zip(hila, (X < midline, X > midline), strict=True):
        tubes = tree(rng, hilum, _spots(rng, side & (lungs < -3.5), 650), LEAF_RADIUS)
        # No bronchus cuts a corner through the heart.
        outside = _at(lungs, tubes[:, 3:6]) + _at(lungs, (tubes[:, :3] + tubes[:, 3:6]) / 2) > 0
        bronchi.append(tubes[(tubes[:, 6] > 2.2 * LEAF_RADIUS) & ~outside])
        # An artery runs beside each bronchus; the veins have a tree of their own.
        arteries = tubes + np.outer(tubes[:, 6], (0, -2, 0, 0, -2, 0, 0, 0))
        veins = tree(rng, hilum + (-16, -14, 0), _spots(rng, side & (lungs < -3.5), 500), LEAF_RADIUS)
        vessels += [wavy(rng, arteries), wavy(rng, veins)]
    fissures = 0.8 * (Z + 8) - 0.6 * (Y + 5) + 4 * texture(rng, 50)
    return Anatomy(
        wall,
        organs,
        cage,
        lungs,
        fissures,
        midline,
        around(0, 12),
        np.concatenate(collar_bones),
        np.concatenate([trachea, *main_bronchi]),
        np.concatenate(bronchi),
        np.concatenate(vessels),
    )


def _at(field: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A field on the coarse grid at points (n, 3) in mm."""
    return field[tuple(np.rint((points[:, i] - AXES[i][0]) / STEP).astype(int) for i in range(3))]


def _spots(rng: np.random.Generator, where: np.ndarray, count: int) -> np.ndarray:
    """Random points (count, 3) in a region of the coarse grid, mm."""
    spots = rng.choice(np.argwhere(where), count, replace=False)
    corner = np.array([axis[0] for axis in AXES])
    return corner + STEP * (spots + rng.uniform(-0.5, 0.5, spots.shape))
