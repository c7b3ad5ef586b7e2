"""The weights of a model, checked against the network that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from ..networks import CovidMTLNet, Network, build_network
from ..networks.tensors import to_array
from ..utils.errors import InputError
from .archive import CARD
from .card import network_config, takes_patient, takes_volume
from .numpy_weights import check_fit, check_hash, checked_network, damaged, not_finite, refuse_pickle


def to_bytes(weights: nn.Module | Mapping[str, torch.Tensor]) -> bytes:
    """The weights of a network, or its state dict, as a file of safetensors. Numbers keep their type."""
    state = weights.state_dict() if isinstance(weights, nn.Module) else weights
    # Copies, since safetensors takes no two tensors of one memory.
    return save({name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in state.items()})


def to_network(content: bytes, card: dict[str, Any], model: str) -> Network:
    """The network of a card with the weights of a file. Whatever precision they have, it computes in float32.

    Parameters
    ----------
    content : bytes
        Of the file.
    card : dict
        As `card.check_card` lets it pass.
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
    refuse_pickle(content, model)
    try:
        weights = load(content)
    # KeyError is of a type of numbers that safetensors knows and PyTorch does not.
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(damaged(model)) from error
    check_hash(content, card, model)
    # Without memory, which what a card describes could use up; it gets that of the weights if they fit.
    try:
        with torch.device("meta"):
            network = build_network(network_config(card)).eval()
    except InputError as error:
        raise InputError(f"Model {model} cannot be built: {error}") from error
    check_fit(_kinds(weights), _kinds(network.state_dict()), model)
    weights = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in weights.items()}
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InputError(not_finite(model))
    if takes_volume(card):
        assert isinstance(network, CovidMTLNet), "no other network takes a volume"
        try:
            network.backbone.check(torch.Size([1, 1, *card["input"]["size"]]))
        except ValueError as error:
            raise InputError(f"The {CARD} of model {model} has no sensible input: {error}") from error
    network.load_state_dict(weights, assign=True)
    if takes_patient(card):
        checked_network(network_config(card), {name: to_array(one) for name, one in weights.items()}, model)
    return network


def _kinds(weights: Mapping[str, torch.Tensor]) -> dict[str, tuple[tuple[int, ...], str]]:
    return {name: (tuple(one.shape), str(one.dtype).removeprefix("torch.")) for name, one in weights.items()}
