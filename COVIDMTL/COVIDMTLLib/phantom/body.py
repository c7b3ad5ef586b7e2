"""What surrounds the lungs of the synthetic thorax, in the terms of `shapes`: body wall, bones, abdomen.

A layer is a distance and the HU to paint there; layers are painted in order, one over the other.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from .shapes import X, Y, Z, ellipsoid, hull, inside_all, profile, to_distance

Layer = tuple[np.ndarray, float]

FAT, MUSCLE = -100, 52
"""Densities in HU."""


def trunk(wide: float, deep: float) -> tuple[np.ndarray, np.ndarray, PchipInterpolator]:
    """Distances to the body and to the inside of the chest wall, and the front of the latter as a function of z.

    `wide` and `deep` scale the average thorax.
    """
    z = [-190, -60, 20, 80, 120, 170]
    body = hull(
        profile([-190, -100, 0, 60, 105, 135, 170], wide * np.array([160, 168, 170, 173, 166, 140, 98])),
        profile(z, deep * np.array([-113, -119, -109, -89, -65, -46])),
        profile(z, deep * np.array([106, 115, 117, 113, 105, 90])),
        roundness=2.3,
    )
    z = [-190, -100, -40, 20, 60, 90, 110, 125, 140, 170]
    front = profile(z, deep * np.array([-82, -89, -89, -79, -64, -46, -29, -14, -6, -22]))
    cage = hull(
        profile(z, wide * np.array([124, 132, 131, 123, 110, 92, 74, 58, 42, 30])),
        front,
        profile(z, deep * np.array([72, 84, 89, 89, 84, 76, 67, 57, 48, 30])),
        roundness=2.15,
    )
    return body, cage, front


def below_diaphragm(right: float, left: float, middle: float) -> np.ndarray:
    """How far below the diaphragm a point lies, in mm; the arguments are the heights of its domes."""

    def dome(top: float, y: float, x: float, depth: float, width: float) -> np.ndarray:
        return top - 40 * (((Y - y) / depth) ** 2 + ((X - x) / width) ** 2)

    domes = np.maximum(dome(right, -22, -66, 90, 68), dome(left, -22, 66, 90, 68))
    height = np.maximum(domes, dome(middle, -50, 5, 100, 130))
    return to_distance(np.clip(height, -400, None) - Z)


def body_wall(body: np.ndarray, cage: np.ndarray, fat: np.ndarray) -> list[Layer]:
    """Table, skin, fat, muscles and shoulder blades; `fat` is the thickness under the skin in mm."""
    back = float(Y[:, (body < 0).any(axis=(0, 2))].max())
    table = np.abs(Y - (back + 20 - 24 * (X / 200) ** 2)) - 13 + 0 * Z
    wall = body + 4
    beside = np.abs(np.abs(X) - 100 - 0.25 * (Z - 42)) - 28
    shoulder_blades = inside_all(np.abs(cage - 23) - 3.2, np.abs(Z - 42) - 58, 25 - Y, beside)
    return [
        (table, 0),
        (table + 2, -900),
        (body, 20),
        (body + 2, FAT),
        (body + fat, MUSCLE),
        *((inside_all(ellipsoid((62, -6, x), (46, 34, 20)), wall), FAT) for x in (-118, 118)),
        (shoulder_blades, 420),
        (shoulder_blades + 2, 180),
        (inside_all(cage - 19, wall), FAT),
        (inside_all(cage - 17, wall), MUSCLE),
    ]


def midline_bones(
    room: np.ndarray,
    spine: np.ndarray,
    spine_y: PchipInterpolator,
    midline: float,
    sternum_y: PchipInterpolator,
    offset: float,
) -> list[Layer]:
    """Sternum and vertebrae, the spinous processes within `room`; `offset` moves the vertebrae along z."""
    level = (Z - offset) % 23 - 11.5
    vertebrae = inside_all(spine, np.abs(level) - 9)
    canal = np.hypot((X - midline) * 0.85, Y - spine_y(Z) - 23) - 8
    arches = inside_all(canal - 5, np.abs(level + 3) - 7.5)
    spinous = inside_all(
        np.abs(X - midline) - 3,
        np.abs(Y - spine_y(Z) - 41) - 12,
        room,
        np.abs((Z - offset + 0.5 * (Y - spine_y(Z))) % 23 - 11.5) - 6,
    )
    beside = np.maximum(np.abs(X) - 12 - 8 * (Z > 68), 0)
    sternum = inside_all(np.hypot(beside, Y - sternum_y(Z) + 10) - 5.5, np.abs(Z - 20) - 80)
    return [
        (spine, 80),
        (spinous, 350),
        (arches, 420),
        (vertebrae, 420),
        (vertebrae + 1.5, 175),
        (canal, 25),
        (sternum, 350),
        (sternum + 1.8, 120),
    ]


def upper_abdomen(room: np.ndarray, stomach_x: float, gas_y: float) -> list[Layer]:
    """Liver, spleen and stomach, all within `room`; the gas in the stomach lies above a level, in front."""
    stomach = inside_all(room + 1, ellipsoid((-140, -14, stomach_x), (42, 50, 40)))
    return [
        (inside_all(room, ellipsoid((-150, -8, -52), (92, 92, 85))), 58),
        (inside_all(room, ellipsoid((-138, 46, 96), (40, 36, 27))), 50),
        (stomach, 40),
        (stomach + 4, 15),
        (inside_all(stomach + 4, room + 6, Y - gas_y), -980),
    ]
