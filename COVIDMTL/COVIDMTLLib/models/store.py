"""Models: a folder, or a zip of it, with safetensors for the weights and JSON for everything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..utils.errors import InputError
from ..utils.optional_imports import require
from .archive import CARD, WEIGHTS, ModelFiles, find_files
from .card import FORMAT, check_card, parse_card, takes_volume
from .device import check_device, choose_device
from .feature_scaling import fit_scaling, scale
from .model import FeatureRunner, Model

if TYPE_CHECKING:
    import torch
    from torch import nn
    from typing_extensions import TypeIs

    from ..networks import Network

__all__ = [
    "CARD",
    "DEFAULT_MODEL",
    "WEIGHTS",
    "Model",
    "fit_scaling",
    "load_model",
    "load_network",
    "needs_torch",
    "read_card",
    "save_model",
    "scale",
    "shipped_models",
]

DEFAULT_MODEL = "transportable"


def shipped_models() -> dict[str, Path]:
    """Folders of the models that come with the project, by name."""
    # Beside the package in the sources and inside Slicer; within it where pip has installed it.
    package = Path(__file__).parents[1]
    for folder in (package / "Resources" / "Models", package.parent / "Resources" / "Models"):
        if folder.is_dir():
            return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{CARD}"))}
    return {}


def needs_torch(name: str | Path = DEFAULT_MODEL) -> bool:
    """Whether a model takes PyTorch, as one on volumes does; raises `InputError` as `read_card` does."""
    return takes_volume(read_card(name))


def load_model(name: str | Path = DEFAULT_MODEL, device: str = "auto") -> Model:
    """Load a shipped model by name, or any other by the path of its folder or of a zip of it.

    Nothing that the files hold is executed.

    Parameters
    ----------
    name : str or path
        Of a shipped model, or the path of a folder or a zip.
    device : str
        Where to run a network on volumes: see `device.choose_device`. One that sees no images needs no PyTorch and
        runs on the CPU, whatever device is asked for.

    Returns
    -------
    Model
        Card and network, ready to run.

    Raises
    ------
    InputError
        If there is none, if its card and weights are damaged, do not fit together or are of a format
        that this version does not know, or if there is no such device.
    MissingPackage
        If safetensors is not installed, or PyTorch for a model on volumes.

    Examples
    --------
    >>> import COVIDMTLLib as covidmtl
    >>> model = covidmtl.load_model("features-mtl")
    >>> [task["name"] for task in model.card["tasks"]]
    ['covid_ct', 'covid_nat', 'severity']
    """
    if needs_torch(name):
        card, network = load_network(name)
        from .inference import make_ready

        return Model(card, make_ready(network, choose_device(device)))
    check_device(device)
    require("safetensors")
    from .numpy_weights import to_feature_network

    files = _files(name)
    card = parse_card(files.read(CARD), files.name)
    return Model(card, FeatureRunner(to_feature_network(files.read(WEIGHTS), card, files.name)))


def load_network(name: str | Path = DEFAULT_MODEL) -> tuple[dict[str, Any], Network]:
    """The card and the network of a model as it was saved, such as to train it further; see `load_model`."""
    require("torch", "safetensors.torch")
    from .torch_weights import to_network

    files = _files(name)
    card = parse_card(files.read(CARD), files.name)
    return card, to_network(files.read(WEIGHTS), card, files.name)


def read_card(name: str | Path = DEFAULT_MODEL) -> dict[str, Any]:
    """The card of a shipped model by name, or of any other by path; needs no PyTorch.

    Returns
    -------
    dict
        What ``model.json`` holds.

    Raises
    ------
    InputError
        If there is none, or if it is damaged or of a format that this version does not know.
    """
    files = _files(name)
    return parse_card(files.read(CARD), files.name)


def save_model(
    folder: Path,
    card: dict[str, Any],
    weights: nn.Module | Mapping[str, torch.Tensor] | Mapping[str, np.ndarray],
) -> None:
    """Write a model.

    Parameters
    ----------
    folder : Path
        An existing folder, for ``model.json`` and ``model.safetensors``.
    card : dict
        The model card; format, format version and hash of the weights are filled in. Its ``network`` is what
        `networks.build_network` takes; without it, it is a `FeaturesMTL`.
    weights : network or its state dict
        Stored in the precision that they have. Arrays of NumPy take no PyTorch.

    Raises
    ------
    InputError
        If the card would not be read again.
    """
    if _are_arrays(weights):
        from .numpy_weights import arrays_to_bytes

        content = arrays_to_bytes(weights)
    else:
        from .torch_weights import to_bytes

        content = to_bytes(weights)
    head = {"format": FORMAT, "format_version": 2 if "network" in card else 1}
    card = head | card | {"weights": {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest()}}
    text = json.dumps(card, indent=1) + "\n"
    check_card(json.loads(text), str(card.get("name")))
    (folder / WEIGHTS).write_bytes(content)
    (folder / CARD).write_text(text, encoding="utf-8")


def _are_arrays(
    weights: nn.Module | Mapping[str, torch.Tensor] | Mapping[str, np.ndarray],
) -> TypeIs[Mapping[str, np.ndarray]]:
    return isinstance(weights, Mapping) and all(isinstance(one, np.ndarray) for one in weights.values())


def _files(name: str | Path) -> ModelFiles:
    shipped = shipped_models()
    files = find_files(shipped.get(str(name), Path(name)))
    if files is None:
        raise InputError(
            f"There is no model {name}; shipped are {', '.join(shipped)}, any other is given as the folder "
            f"that holds its {CARD}, or a zip of it."
        )
    return files
