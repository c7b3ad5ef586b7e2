"""What can be set of the segmentation methods."""

from __future__ import annotations

from dataclasses import dataclass

from ..utils.errors import InputError
from ..utils.text import shortened

RANGES = {
    "threshold": (-900, -100, " HU"),
    "alpha": (0, 1, ""),
    "beta": (0, 100, ""),
    "iterations": (0, 200, ""),
    "closing": (0, 30, " mm"),
}
"""Lowest and highest value of each parameter, and its unit."""


@dataclass(frozen=True)
class Parameters:
    """Parameters of the segmentation methods, by default as published.

    Attributes
    ----------
    threshold : float
        HU below which a voxel is air or aerated lung; 604 in the paper's HU + 1024. Of ``classical``.
    alpha : float
        How strongly the snakes of Algorithm 1 contract.
    beta : float
        How stiff the snakes are.
    iterations : int
        Steps that the snakes move at most; with 0 they stay where they start.
    closing : float
        Radius in mm of the closing of the lungs before and after the snakes. Slices with little lung have
        no snakes and are closed with half of it.
    truncate : bool
        Whether the points of the snakes are truncated to integers and what these enclose is filled, as in the
        implementation of the paper's authors: for parity with it voxel by voxel. By default the polygon of the snake is
        filled as it is, since truncation moves every outline by half a pixel towards the first row and column, and
        loses a lung whose points have come to lie apart.

    Raises
    ------
    InputError
        If one lies outside its range (`RANGES`), or the iterations are no whole number.
    """

    threshold: float = -420
    alpha: float = 0.02
    beta: float = 20
    iterations: int = 20
    closing: float = 10
    truncate: bool = False

    def __post_init__(self) -> None:
        for name, (lowest, highest, unit) in RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                said = f"{value:g}" if isinstance(value, float) else shortened(value)
                raise InputError(f"The {name} has to be {lowest} to {highest}{unit}, and {said} is not.")
        if self.iterations % 1:
            raise InputError(f"The iterations have to be a whole number from 0 to 200, and {self.iterations:g} is not.")


PUBLISHED = Parameters()
"""The values of the paper."""
