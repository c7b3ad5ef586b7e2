"""What an assessment needs before its CT is looked at: packages and models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..features.extraction import MODULES as FEATURE_MODULES
from ..imaging import bspline
from ..models.model import Model
from ..models.store import load_model
from ..reports import dicom as dicom_export
from ..segmentation import methods
from ..utils.errors import InputError
from ..utils.optional_imports import require


def modules_of(segmented: bool, torch: bool, written: bool, dicom: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What an assessment imports: what it begins with, and the rest in the order of its use.

    For `optional_imports.require`.

    Parameters
    ----------
    segmented, torch, written, dicom : bool
        Whether lungs are found or refined, a model takes PyTorch, files are written, and if so DICOM ones too.
    """
    now = methods.MODULES if segmented else ("SimpleITK", *bspline.MODULES)
    later = (
        *FEATURE_MODULES,
        "safetensors",
        *(("torch", "safetensors.torch") if torch else ()),
        *(("jinja2", "matplotlib.backends.backend_agg") if written else ()),
    )
    return (*now, *(dicom_export.MODULES if dicom else ())), later


def load_models(model: str | Path | Model | Sequence[str | Path | Model], device: str) -> list[Model]:
    """The models to assess with, one or several; those that are loaded already are taken as they are.

    Raises
    ------
    InputError
        As `store.load_model` does, or if there is none, or two of one name.
    """
    names = several(model)
    models = [one if isinstance(one, Model) else load_model(one, device) for one in names]
    twice = [one.card["name"] for one in models if [other.card["name"] for other in models].count(one.card["name"]) > 1]
    if twice:
        raise InputError(f"Two of the models are called {twice[0]}; give each once.")
    return models


def several(model: str | Path | Model | Sequence[str | Path | Model]) -> list[str | Path | Model]:
    """One or several models as a list; raises `InputError` if there is none."""
    names = [model] if isinstance(model, (str, Path, Model)) else list(model)
    if not names:
        raise InputError("There is no model to assess with; give one at least.")
    return names


def load_late(
    modules: Sequence[str], model: str | Path | Model | Sequence[str | Path | Model], device: str
) -> list[Model]:
    """Import some modules, then `load_models`; for another thread, while there is other work."""
    require(*modules)
    return load_models(model, device)
