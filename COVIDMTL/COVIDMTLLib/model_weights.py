"""The weights of a model, checked against the network that they are for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from .errors import InputError
from .model_cards import network_config, takes_volume
from .model_files import CARD, WEIGHTS
from .networks import TabularNetwork, build_network

PICKLES = (b"\x80", b"PK\x03\x04")
"""How files of pickle, and those of ``torch.save``, start. The first eight bytes of safetensors are a small number."""


def to_bytes(weights: nn.Module | Mapping[str, torch.Tensor]) -> bytes:
    """The weights of a network, or its state dict, as a file of safetensors. Numbers keep their type."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # Copies, since safetensors takes no two tensors of one memory.
    return save({name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()})


def to_network(content: bytes, card: dict[str, Any], model: str) -> nn.Module:
    """The network of a card with the weights of a file. Whatever precision they have, it computes in float32.

    Parameters
    ----------
    content : bytes
        Of the file.
    card : dict
        As `model_cards.check_card` lets it pass.
    model : str
        What to call it in messages.

    Returns
    -------
    CovidMTLNet, FeaturesMTL or TabularNetwork
        In evaluation mode.

    Raises
    ------
    InputError
        If the file is damaged, is not the one that the card names, or does not fit the network, or if there is no
        such network.
    """
    weights = _tensors(content, model)
    if hashlib.sha256(content).hexdigest() != card["weights"]["sha256"]:
        raise InputError(f"The {WEIGHTS} of model {model} is not the one its {CARD} names; get the model again.")
    # Without memory, which what a card describes could use up; it gets that of the weights if they fit.
    try:
        with torch.device("meta"):
            network = build_network(network_config(card)).eval()
    except InputError as error:
        raise InputError(f"Model {model} cannot be built: {error}") from error
    _check_fit(weights, network, model)
    weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InputError(f"The weights of model {model} are not all finite numbers; get the model again.")
    if takes_volume(card):
        try:
            network.backbone.check(torch.Size([1, 1, *card["input"]["size"]]))
        except ValueError as error:
            raise InputError(f"The {CARD} of model {model} has no sensible input: {error}") from error
    network.load_state_dict(weights, assign=True)
    if isinstance(network, TabularNetwork):
        try:
            network.check()
        except ValueError as error:
            raise InputError(f"The weights of model {model} make no sense: {error}; get the model again.") from error
    return network


def _tensors(content: bytes, model: str) -> dict[str, torch.Tensor]:
    if content.startswith(PICKLES):
        raise InputError(
            f"The {WEIGHTS} of model {model} is a pickle, which can run any program when it is read, and so is not "
            "read; get the model as safetensors."
        )
    try:
        return load(content)
    # KeyError is of a type of numbers that safetensors knows and PyTorch does not.
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"The {WEIGHTS} of model {model} is missing or damaged; get the model again.") from error


def _check_fit(weights: dict[str, torch.Tensor], network: nn.Module, model: str) -> None:
    wanted = network.state_dict()
    unfit = f"The weights of model {model} do not fit the network its {CARD} names: "
    missing, unknown = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or unknown:
        raise InputError(unfit + (f"{missing[0]} is missing." if missing else f"it has no {unknown[0][:80]!r}."))
    for name, tensor in weights.items():
        if tensor.shape != wanted[name].shape:
            shapes = (" x ".join(map(str, one.shape)) or "one number" for one in (tensor, wanted[name]))
            raise InputError(unfit + "{} is {}, and it has {}.".format(name, *shapes))
        kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
        if tensor.dtype not in (kinds if wanted[name].is_floating_point() else (wanted[name].dtype,)):
            raise InputError(unfit + f"{name} is of type {str(tensor.dtype).removeprefix('torch.')}.")
