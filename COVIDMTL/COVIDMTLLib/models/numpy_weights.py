"""The weights of a model as its file holds them, checked against what its network wants; needs no PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from ..architectures.config import weights_wanted
from ..architectures.kernel_ridge import KernelRidge
from ..architectures.numpy_networks import FeatureNetwork, FeaturesMTL, TabularNetwork, Weights
from ..utils.errors import InputError
from .archive import CARD, WEIGHTS
from .card import network_config

PICKLES = (b"\x80", b"PK\x03\x04")
"""How files of pickle, and those of ``torch.save``, start. Safetensors begins with eight bytes of a number."""

FLOATS = ("float16", "bfloat16", "float32", "float64")
"""Types that weights may be stored in where the network has numbers with a fraction."""

TYPES = {
    "F16": np.float16, "F32": np.float32, "F64": np.float64, "BOOL": np.bool_,
    "I8": np.int8, "I16": np.int16, "I32": np.int32, "I64": np.int64,
    "U8": np.uint8, "U16": np.uint16, "U32": np.uint32, "U64": np.uint64,
}  # fmt: skip
"""Types of NumPy by their names in safetensors."""

Kinds = Mapping[str, tuple[tuple[int, ...], str]]
"""Shape and name of the type of each of the weights."""


NETWORKS: dict[str, Callable[[dict[str, Any], Weights], FeatureNetwork]] = {
    "features-mtl": FeaturesMTL,
    "tabular": TabularNetwork,
    "kernel-ridge": KernelRidge,
}
"""Networks that see no images, by architecture."""


def to_feature_network(content: bytes, card: dict[str, Any], model: str) -> FeatureNetwork:
    """The network that sees no images of a card, with the weights of a file.

    Parameters
    ----------
    content : bytes
        Of the file.
    card : dict
        As `card.check_card` lets it pass.
    model : str
        What to call it in messages.

    Raises
    ------
    InputError
        If the file is damaged, is not the one that the card names, or does not fit the network, or if there is no
        such network.
    """
    refuse_pickle(content, model)
    try:
        stored = dict(deserialize(content))
        kinds = {name: (tuple(one["shape"]), _kind(one["dtype"])) for name, one in stored.items()}
    except (SafetensorError, KeyError, ValueError) as error:
        raise InputError(damaged(model)) from error
    check_hash(content, card, model)
    config = network_config(card)
    try:
        wanted = weights_wanted(config)
    except InputError as error:
        raise InputError(f"Model {model} cannot be built: {error}") from error
    check_fit(kinds, wanted, model)
    weights = {name: _array(one) for name, one in stored.items()}
    if not all(np.isfinite(array).all() for array in weights.values()):
        raise InputError(not_finite(model))
    return checked_network(config, weights, model)


def arrays_to_bytes(weights: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as a file of safetensors; they keep their type."""
    return save({name: array.copy(order="C") for name, array in weights.items()})


def checked_network(config: dict[str, Any], weights: Mapping[str, np.ndarray], model: str) -> FeatureNetwork:
    """The network of a configuration with weights that fit; raises `InputError` for trees that lead nowhere."""
    try:
        return NETWORKS[config["architecture"]](config, weights)
    except ValueError as error:
        raise InputError(f"The weights of model {model} make no sense: {error}; get the model again.") from error


def refuse_pickle(content: bytes, model: str) -> None:
    """Raise `InputError` for a file that is a pickle."""
    # Of safetensors, the first byte may be any, being the length of the JSON that begins at the ninth.
    if content.startswith(PICKLES) and content[8:9] != b"{":
        raise InputError(
            f"The {WEIGHTS} of model {model} is a pickle, which can run any program when it is read, and so is not "
            "read; get the model as safetensors."
        )


def check_hash(content: bytes, card: dict[str, Any], model: str) -> None:
    """Raise `InputError` unless a file is the one that the card names."""
    if hashlib.sha256(content).hexdigest() != card["weights"]["sha256"]:
        raise InputError(f"The {WEIGHTS} of model {model} is not the one its {CARD} names; get the model again.")


def check_fit(weights: Kinds, wanted: Kinds, model: str) -> None:
    """Raise `InputError` unless weights are those that a network wants, in name, shape and type."""
    unfit = f"The weights of model {model} do not fit the network its {CARD} names: "
    missing, unknown = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or unknown:
        raise InputError(unfit + (f"{missing[0]} is missing." if missing else f"it has no {unknown[0][:80]!r}."))
    for name, (shape, kind) in weights.items():
        shape_wanted, kind_wanted = wanted[name]
        if shape != shape_wanted:
            shapes = (" x ".join(map(str, one)) or "one number" for one in (shape, shape_wanted))
            raise InputError(unfit + "{} is {}, and it has {}.".format(name, *shapes))
        if kind not in (FLOATS if kind_wanted in FLOATS else (kind_wanted,)):
            raise InputError(unfit + f"{name} is of type {kind}.")


def damaged(model: str) -> str:
    """The sentence on a file that is not of safetensors."""
    return f"The {WEIGHTS} of model {model} is missing or damaged; get the model again."


def not_finite(model: str) -> str:
    """The sentence on weights that are no numbers."""
    return f"The weights of model {model} are not all finite numbers; get the model again."


def _kind(dtype: str) -> str:
    return "bfloat16" if dtype == "BF16" else np.dtype(TYPES[dtype]).name


def _array(stored: Mapping[str, Any]) -> np.ndarray:
    if stored["dtype"] == "BF16":  # the upper half of a float32
        numbers = np.frombuffer(stored["data"], np.uint16).astype(np.uint32) << 16
        return numbers.view(np.float32).reshape(stored["shape"])
    return np.frombuffer(stored["data"], TYPES[stored["dtype"]]).reshape(stored["shape"])
