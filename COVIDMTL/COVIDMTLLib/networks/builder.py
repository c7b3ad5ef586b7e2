"""Networks from plain JSON values, as model cards hold them."""

from __future__ import annotations

from typing import Any, Protocol

from torch import nn

from ..architectures.config import EMBEDDING, check_keys, check_whole, read_config, tabular_experts
from ..utils.errors import InputError
from .backbones.base import Backbone
from .backbones.decovnet import DeCoVNet
from .backbones.resnet3d import ResNet3D34
from .backbones.squeezenet3d import SqueezeNet2D, SqueezeNet3D
from .covid_mtl import CovidMTLNet
from .features_mtl import FeaturesMTL
from .layers.feature_branch import AuxiliaryFNN
from .layers.heads import Head
from .tabular import TabularNetwork

Network = CovidMTLNet | FeaturesMTL | TabularNetwork


class BackboneType(Protocol):
    """What makes a backbone: a class of them."""

    @property
    def shift_layer(self) -> type[nn.Module]: ...

    def __call__(self, shift: nn.Module | None = None) -> Backbone: ...


BACKBONES: dict[str, BackboneType] = {
    "squeezenet3d": SqueezeNet3D,
    "resnet3d34": ResNet3D34,
    "decovnet": DeCoVNet,
    "squeezenet2d": SqueezeNet2D,
}
"""Backbones by the names that configurations use; see .github/CONTRIBUTING.md for how to add one."""


def build_network(config: dict[str, Any]) -> Network:
    """The network that a configuration describes, its weights as PyTorch starts them.

    Parameters
    ----------
    config : dict
        Plain JSON values:

        - ``architecture``: ``covid-mtl``, ``single-task`` (a backbone with the head that its authors gave it), or
          ``features-mtl`` or ``tabular`` (`TabularNetwork`), which see no volume;
        - ``tasks``: a list of ``{"name", "title", "classes"}``, classes by name;
        - ``regression``: a list of ``{"name", "title", "unit", "mean", "std"}`` of values that the network says, one
          output each, in standard deviations from the mean; by default none;
        - ``backbone``: one of `BACKBONES`;
        - ``shift``: the options of `Shift3D` to put it (or, on slices, `Shift2D`) after the stem, or null, the default;
        - ``features``: number of lung features, or null, the default, for a network on the volume alone;
        - of ``tabular``: ``patient``, number of values of the patient; ``groups``, for each a list of the number of
          its class in each task; ``ct_forest`` and ``labs_forest``, ``{"trees", "nodes"}``, ``ct_kernel`` and
          ``labs_kernel``, ``{"cases", "width"}``, ``ct_perceptrons``, ``{"members"}``, those on laboratory values
          both null, the default, without them;
        - ``head``: options ``dropout`` (0.3), ``maps`` (32) and ``published_logits`` (false) of `Head`.

    Returns
    -------
    CovidMTLNet, FeaturesMTL or TabularNetwork

    Raises
    ------
    InputError
        If there is no such architecture, backbone or option, or a value is none that it can have.
    """
    architecture, classes, features = read_config(config)
    if architecture == "features-mtl":
        assert features is not None
        return FeaturesMTL(features, classes)
    if architecture == "kernel-ridge":
        raise InputError(
            "A kernel ridge regression is no network of PyTorch; fit it anew with covid-mtl calibrate or "
            "Training/train_transportable.py."
        )
    if architecture == "tabular":
        assert features is not None
        experts = tabular_experts(config, classes)
        return TabularNetwork(features, config["patient"], config["groups"], classes, **experts)
    name = config.get("backbone")
    if name not in tuple(BACKBONES):
        raise InputError(f"There is no backbone {name}; choose one of {', '.join(BACKBONES)}.")
    backbone = BACKBONES[name](_shift(config.get("shift"), BACKBONES[name].shift_layer))
    if architecture == "single-task":
        if len(classes) > 1:
            raise InputError("A network of the architecture single-task has one task; choose covid-mtl for several.")
        return CovidMTLNet(backbone, [_own_head(backbone, classes[0])])
    options = _head_options(config.get("head", {}), max(classes), features)
    fnn = None if features is None else AuxiliaryFNN(features)
    width = 0 if features is None else EMBEDDING
    return CovidMTLNet(backbone, [Head(backbone.channels, count, features=width, **options) for count in classes], fnn)


def _own_head(backbone: Backbone, classes: int) -> Head:
    if isinstance(backbone, SqueezeNet3D):
        return Head(backbone.channels, classes, maps=classes, published_logits=True)
    return Head(backbone.channels, classes, maps=None, dropout=0.0, largest=isinstance(backbone, DeCoVNet))


def _shift(options: dict[str, Any] | None, layer: type[nn.Module]) -> nn.Module | None:
    if options is None:
        return None
    if not isinstance(options, dict):
        raise InputError("The shift of a network is null or the options of Shift3D by name, and this is neither.")
    try:
        return layer(**options)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"Shift3D cannot have the options that the network gives it: {error}.") from error


def _head_options(options: Any, classes: int, features: int | None) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise InputError("The head of a network is its options by name, and this is not.")
    check_keys(options, "head", ("dropout", "maps", "published_logits"))
    options = {"dropout": 0.3, "maps": 32, "published_logits": False} | options
    dropout, published = options["dropout"], options["published_logits"]
    if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout < 1:
        raise InputError(f"The dropout of a head has to be a number from 0 to below 1, and {dropout} is not.")
    if not isinstance(published, bool):
        raise InputError(f"published_logits of a head is true or false, and {published} is neither.")
    if published and features is not None:
        raise InputError("A head with published_logits takes no features; leave out one of the two.")
    check_whole(options["maps"], "maps", classes if published else 1)
    return options
