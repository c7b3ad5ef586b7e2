"""The methods that the benchmark of lung segmentation compares, by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from COVIDMTLLib.imaging.volume import Volume
from COVIDMTLLib.segmentation.classical import segment_classical
from COVIDMTLLib.segmentation.methods import METHODS, segment
from COVIDMTLLib.utils.errors import InputError

LUNGMASK = {"lungmask-R231": "R231", "lungmask-R231CovidWeb": "R231CovidWeb"}
"""Reference 38 of the paper, by the names that its package has for them."""

PLAIN = "plain-active-contour"
"""Algorithm 1 on whole slices, as published: what the time of the others is compared with."""

Method = Callable[[Volume], np.ndarray]
"""From HU on the 1 mm working grid to bool (z, y, x)."""


def choose_methods(names: Iterable[str] | None = None) -> dict[str, Method]:
    """Methods by name, all by default; of networks those that are installed, the rest is named on standard error.

    Raises
    ------
    InputError
        If there is no method of a name, or none is left.
    """
    every = (*METHODS, *LUNGMASK)
    names = every if names is None else tuple(dict.fromkeys(names))
    chosen: dict[str, Method] = {}
    for name in names:
        if name not in every:
            raise InputError(f"There is no method {name}; choose of {', '.join(every)}.")
        if name in METHODS:
            chosen[name] = lambda ct, name=name: segment(ct, name).array > 0
        elif (weights := _weights(LUNGMASK[name])) is None:
            print(f"{name} is left out: the package lungmask or its weights are not installed.", file=sys.stderr)
        else:
            chosen[name] = _with_lungmask(weights)
    if not chosen:
        raise InputError("None of the methods is installed; choose of " + ", ".join(METHODS) + ".")
    return chosen


def plain(ct: Volume) -> np.ndarray:
    """`PLAIN`, with the classical segmentation that it starts from, as the project's own method has it."""
    from support.plain_active_contour import refine_plainly

    return refine_plainly(ct.array, segment_classical(ct.array))


def _weights(model: str) -> Path | None:
    """Where the weights of a model of lungmask lie, if they were downloaded before."""
    if find_spec("lungmask") is None:
        return None
    import torch
    from lungmask.mask import MODEL_URLS

    path = Path(torch.hub.get_dir()) / "checkpoints" / MODEL_URLS[model][0].rpartition("/")[2]
    return path if path.is_file() else None


def _with_lungmask(weights: Path) -> Method:
    from lungmask import LMInferer

    inferer = LMInferer(modelpath=str(weights), tqdm_disable=True)
    return lambda ct: inferer.apply(ct.to_image()) > 0
