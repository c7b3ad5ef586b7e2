"""Good inputs that odd ones are made of: a small synthetic CT with its lungs, a quick model, a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import SimpleITK as sitk
import torch
from COVIDMTLLib.models.store import load_network
from COVIDMTLLib.phantom import Phantom, thorax
from support.models.bright_model import write_bright_model


@dataclass(frozen=True)
class Stock:
    """A folder with ``ct.nrrd``, ``lungs.nrrd``, ``bright`` (a model) and ``checkpoint.pt``, and the phantom itself."""

    folder: Path
    phantom: Phantom

    @property
    def ct(self) -> Path:
        return self.folder / "ct.nrrd"

    @property
    def lungs(self) -> Path:
        return self.folder / "lungs.nrrd"

    @property
    def model(self) -> Path:
        return self.folder / "bright"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"


@cache
def make_stock(folder: Path) -> Stock:
    """Write the good inputs to a folder, unless they are there, in about a second."""
    stock = Stock(folder, thorax(3, ground_glass=0.1, spacing=(3.0, 3.0, 3.0), size=0.32))
    if not folder.exists():
        folder.mkdir(parents=True)
        sitk.WriteImage(stock.phantom.ct.to_image(), str(stock.ct), useCompression=True)
        sitk.WriteImage(stock.phantom.lungs.to_image(), str(stock.lungs), useCompression=True)
        write_bright_model(stock.model)
        torch.save({f"module.{key}": value for key, value in RELEASED.items()}, stock.checkpoint)
    return stock


RELEASED = {"fc.weight": torch.zeros(2, 512), "conv1.weight": torch.zeros(64, 1, 7, 7, 7)}
"""The first and the last layer of a network of the paper, which is no whole one."""


def features_model() -> tuple[dict, dict]:
    """Card and weights of a model that is small and quick to read."""
    card, network = load_network("features-mtl")
    return card, network.state_dict()
