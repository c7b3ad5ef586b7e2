"""Odd and bad inputs of every kind, made up by a seed: what the command line is given, and files for it to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import checkpoints, cts, dicoms, masks, model_folders, no_cts, options, patients, studies
from .stock import Stock, make_stock

__all__ = ["KINDS", "OddInput", "Stock", "make_odd_input", "make_odd_study", "make_stock"]

KINDS = {
    "CT, values": (cts.values, 8),
    "CT, types": (cts.types, 5),
    "CT, geometry": (cts.geometry, 9),
    "CT, places": (cts.places, 5),
    "CT, sizes": (cts.sizes, 5),
    "CT, damaged": (cts.damaged, 12),
    "NRRD that lies": (cts.lying_nrrd, 8),
    "MetaImage that lies": (cts.lying_meta, 8),
    "NIfTI that lies": (cts.lying_nifti, 8),
    "header without data": (no_cts.detached, 6),
    "no file": (no_cts.no_files, 5),
    "no volume": (no_cts.no_volumes, 3),
    "DICOM, headers": (dicoms.headers, 10),
    "DICOM, damaged": (dicoms.damaged, 6),
    "DICOM, volumes": (dicoms.volumes, 4),
    "DICOM, stored values": (dicoms.stored, 1),
    "mask": (masks.given, 8),
    "masks compared": (masks.compared, 8),
    "masks compared, damaged": (masks.compared_damaged, 4),
    "laboratory values": (patients.tables, 12),
    "age and sex": (patients.ages, 4),
    "names": (patients.names, 1),
    "model, card": (model_folders.cards, 12),
    "model, assessed": (model_folders.assessed, 2),
    "model, text": (model_folders.texts, 4),
    "model, weights": (model_folders.weights, 8),
    "model, zip": (model_folders.zips, 6),
    "checkpoint": (checkpoints.imported, 8),
    "place of results": (options.outs, 6),
    "paths": (options.paths, 4),
    "options of segment": (options.segmentation, 5),
    "options of assess": (options.assessment, 4),
    "options of demo": (options.demo, 3),
    "words": (options.words, 3),
}
"""What makes them, and how often."""


@dataclass(frozen=True)
class OddInput:
    """What to give to the command line, and the folder that its results would be in; of a study, what is right."""

    kind: str
    arguments: list[str]
    out: Path
    right: studies.Right | None = None


def make_odd_input(seed: int, index: int, stock: Stock, folder: Path, kinds: Sequence[str] = tuple(KINDS)) -> OddInput:
    """One of them, always the same of a seed and an index, with its files in a folder that is there and empty."""
    rng = np.random.default_rng([seed, index])
    weights = np.array([KINDS[kind][1] for kind in kinds])
    kind = str(rng.choice(kinds, p=weights / weights.sum()))
    given, out = _folders(folder)
    return OddInput(kind, KINDS[kind][0](stock, given, out, rng), out)


def make_odd_study(seed: int, index: int, stock: Stock, folder: Path) -> OddInput:
    """A study of many series, as `make_odd_input` makes others."""
    given, out = _folders(folder)
    words, right = studies.mixed(stock, given, out, np.random.default_rng([seed, index]))
    return OddInput("study", words, out, right)


def _folders(folder: Path) -> tuple[Path, Path]:
    given, out = folder / "in", folder / "out"
    given.mkdir()
    out.mkdir()
    return given, out
