"""Augmentations by name: transforms of MONAI, or like them. How to add one is in .github/CONTRIBUTING.md."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from monai.transforms import Compose, RandFlip, RandGaussianSmooth, RandomizableTransform, RandRotate90, RandZoom

DEPTH, HEIGHT, WIDTH = range(3)


class RandStripes(RandomizableTransform):
    """The noise of the paper's release: a shift of 10 to 50 grey levels, SD 2.5 to 12.8, constant along one axis."""

    def __call__(self, volume: torch.Tensor) -> torch.Tensor:
        self.randomize(None)
        if not self._do_transform:
            return volume
        shape = list(volume.shape)
        shape[1 + int(self.R.randint(3))] = 1
        noise = self.R.uniform(10, 50) + self.R.uniform(2.5, 12.8) * self.R.normal(size=shape)
        return volume + torch.from_numpy(noise).to(volume.dtype)


AUGMENTATIONS: dict[str, Callable[[float], Any]] = {
    "turn": partial(RandRotate90, max_k=3, spatial_axes=(HEIGHT, WIDTH)),
    "flip": partial(RandFlip, spatial_axis=WIDTH),
    "flip_rows": partial(RandFlip, spatial_axis=HEIGHT),
    "zoom": partial(RandZoom, min_zoom=0.9, max_zoom=1.1, mode="trilinear", padding_mode="constant"),
    "stripes": RandStripes,
    "smooth": partial(RandGaussianSmooth, sigma_x=(0.25, 1.0), sigma_y=(0.25, 1.0), sigma_z=(0.25, 1.0)),
}
"""Transforms of a chance for volumes (1, D, H, W) as the store has them; noise is made later, on the device."""


def augmentation_of(chances: dict[str, float]) -> Compose:
    """The transforms that have a chance, in the order of `AUGMENTATIONS`."""
    return Compose([make(prob=chances[name]) for name, make in AUGMENTATIONS.items() if chances.get(name)])
