"""Small models on volumes, with random weights."""

from __future__ import annotations

import numpy as np
import torch
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.card import published_input
from COVIDMTLLib.models.feature_scaling import fit_scaling
from COVIDMTLLib.models.out_of_distribution import describe
from COVIDMTLLib.models.store import save_model
from COVIDMTLLib.networks import build_network, initialise

SIZE = [48, 64, 64]
TASKS = [
    {"name": "covid_ct", "title": "COVID-19 by CT", "classes": ["negative", "positive"]},
    {"name": "kind", "title": "Kind of pneumonia", "classes": ["viral", "bacterial", "fungal"]},
]


def network_of(config):
    """A network with random weights, its batch normalisation too, so that the case makes a difference."""
    torch.manual_seed(3)
    network = build_network(config)
    initialise(network)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(1, 3)
    return network.eval()


def card_of(config, count=0):
    card = {"name": "small", "version": "1", "title": "A small one", "tasks": TASKS, "network": config}
    if config["architecture"] != "features-mtl":
        card["input"] = published_input() | {"size": SIZE}
    if count:
        values = np.random.default_rng(0).normal(100, 10, (50, count))
        card |= {
            "features": list(FEATURE_NAMES[:count]),
            "scaling": fit_scaling(values, clip=3.0, gain=0.1),
            "training_distribution": describe(values),
        }
    return card


def saved(folder, features=5, backbone="squeezenet3d"):
    """The folder of a small volume model, and its network."""
    config = {"architecture": "covid-mtl", "backbone": backbone, "tasks": TASKS, "shift": {"chance": 0.25}}
    config["features"] = features or None
    network = network_of(config)
    folder.mkdir()
    save_model(folder, card_of(config, features), network)
    return folder, network
