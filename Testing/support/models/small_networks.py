"""Networks of every architecture, and a case for each."""

from __future__ import annotations

import torch
from COVIDMTLLib.networks import DeCoVNet, ResNet3D34, SqueezeNet2D, SqueezeNet3D, build_network, initialise
from torch import nn

BACKBONES = {
    "squeezenet3d": SqueezeNet3D,
    "resnet3d34": ResNet3D34,
    "decovnet": DeCoVNet,
    "squeezenet2d": SqueezeNet2D,
}
TWO = {"name": "a", "title": "A", "classes": ["no", "yes"]}
THREE = {"name": "b", "title": "B", "classes": ["none", "some", "much"]}
MTL = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "tasks": [TWO, THREE]}
PUBLISHED = {"dropout": 0.3, "maps": 32, "published_logits": True}
CONFIGS = {
    "volume and features": MTL | {"features": 20},
    "volume": MTL,
    "volume, shifted": MTL | {"shift": {"chance": 1.0, "seed": 3}},
    "volume, published logits": MTL | {"head": PUBLISHED},
    "ResNet and features": MTL | {"features": 20, "backbone": "resnet3d34"},
    "deCoVNet, two tasks": MTL | {"backbone": "decovnet"},
    **{f"single {name}": {"architecture": "single-task", "backbone": name, "tasks": [THREE]} for name in BACKBONES},
}


def network_and_case(name, seed=0):
    """A network in evaluation mode whose normalisation fits its maps, and two cases by keyword."""
    torch.manual_seed(seed)
    network = build_network(CONFIGS[name])
    initialise(network)
    case = {"volume": torch.randn(2, 1, 65, 70, 90)}
    if CONFIGS[name].get("features"):
        case["features"] = torch.randn(2, CONFIGS[name]["features"])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.momentum = None
    with torch.no_grad():
        network.train()(**case)
    return network.eval(), case
