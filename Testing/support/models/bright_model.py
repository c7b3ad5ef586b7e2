"""A model whose weights are set by hand: it says "positive" of a CT with something very bright in the lungs."""

from pathlib import Path

import torch
from COVIDMTLLib.models.card import published_input
from COVIDMTLLib.models.store import read_card, save_model
from COVIDMTLLib.networks import build_network
from torch import nn

THRESHOLD = 15
"""Of the input as the network sees it: about 270 HU, above all that healthy lungs hold."""

TASKS = [
    {"name": "covid_ct", "title": "COVID-19 by radiology (CT)", "classes": ["negative", "positive"]},
    {"name": "severity", "title": "Severity of COVID-19", "classes": ["mild", "severe"]},
]


def write_bright_model(folder: Path, name: str = "bright", features: bool = False) -> Path:
    """Write the model; with features, it takes them too and makes nothing of them."""
    folder.mkdir(parents=True)
    config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "tasks": TASKS}
    card = {"name": name, "version": "1.0", "title": f"Bright things ({name})", "tasks": TASKS, "network": config}
    # The middle of the paper's box, as large as the small phantom: a third of the time.
    card |= {"input": published_input() | {"start": [90, 99, 99], "size": [160, 192, 192]}}
    card |= {"intended_use": "For tests only."}
    if features:
        source = read_card("features-mtl")
        card |= {key: source[key] for key in ("features", "scaling", "training_distribution")}
        config["features"] = len(card["features"])
    network = build_network(config)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for module in network.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.weight.fill_(1)
            elif isinstance(module, nn.Conv3d) and module.kernel_size == (1, 1, 1):
                module.weight[0, 0] = 1  # what is bright goes on in the first map
        stem = next(module for module in network.modules() if isinstance(module, nn.Conv3d))
        stem.weight[0, 0, 1, 1, 1] = 1
        stem.bias[0] = -THRESHOLD
        for head in network.heads:
            head.classify.weight[1, 0] = 1000
            head.classify.bias[1] = -0.5
    save_model(folder, card, network)
    return folder
