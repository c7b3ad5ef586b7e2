"""Checkpoints like those that the paper's authors published, written down tensor by tensor."""

from __future__ import annotations

import torch

FIRES = {
    1: (32, 64),
    2: (32, 128),
    4: (64, 128),
    5: (64, 256),
    7: (96, 256),
    8: (96, 384),
    10: (128, 384),
    11: (128, 512),
}
"""Position of each Fire module in the release, its squeeze maps, and the maps that go into it; the second of a pair
has a residual."""

RESNET = ((64, 64, 3), (64, 128, 4), (128, 256, 6), (256, 512, 3))
"""Maps into and out of each stage, and its blocks."""


def norm(name, maps):
    return {f"{name}.{part}": (maps,) for part in ("weight", "bias", "running_mean", "running_var")} | {
        f"{name}.num_batches_tracked": ()
    }


def layer(name, *shape):
    return {f"{name}.weight": shape, f"{name}.bias": shape[:1]}


def squeezenet(prefix=""):
    shapes = layer(f"{prefix}convbn.0", 64, 1, 3, 3, 3) | norm(f"{prefix}convbn.1", 64)
    for place, (few, into) in FIRES.items():
        fire = f"{prefix}features.{place}"
        for part, out, of, size in (
            ("squeeze", few, into, 1),
            ("expand1x1", 2 * few, few, 1),
            ("expand3x3", 2 * few, few, 3),
        ):
            shapes |= layer(f"{fire}.{part}", out, of, size, size, size) | norm(f"{fire}.{part}_bn", out)
    return shapes


def resnet():
    shapes = {"conv1.weight": (64, 1, 5, 5, 5)} | norm("bn1", 64) | layer("fc", 2, 512)
    for stage, (into, out, blocks) in enumerate(RESNET, 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            shapes |= {f"{name}.conv1.weight": (out, out if block else into, 3, 3, 3)} | norm(f"{name}.bn1", out)
            shapes |= {f"{name}.conv2.weight": (out, out, 3, 3, 3)} | norm(f"{name}.bn2", out)
        first = f"layer{stage}.0.downsample"
        shapes |= {f"{first}.0.weight": (out, into, 1, 1, 1)} | norm(f"{first}.1", out)
    return shapes


def heads(tasks, twice):
    shapes = {}
    for task in range(1, tasks + 1):
        shapes |= layer(f"classifier{task}_.1", 32, 512, 1, 1, 1)
        if twice:
            shapes |= layer(f"classifier{task}.1", 32, 512, 1, 1, 1)
    return shapes


def fnn():
    shapes = {}
    for place, (into, out) in {0: (375, 256), 2: (256, 128), 4: (128, 64)}.items():
        shapes |= layer(f"radioFNN.features.{place}", out, into)
    return shapes | layer("radioFNN.classifier", 32, 64)


DECISIONS = layer("classifier1.1", 2, 64) | layer("classifier2.1", 2, 64) | layer("classifier3.1", 3, 64)
PUBLISHED = {
    "volume and features": fnn() | squeezenet("features.") | heads(3, False) | DECISIONS,
    "volume, three tasks": squeezenet("features.") | heads(3, True),
    "volume, two tasks": squeezenet("features.") | heads(2, True),
    "SqueezeNet3D, 2 classes": squeezenet() | layer("classifier.1", 2, 512, 1, 1, 1),
    "SqueezeNet3D, 3 classes": squeezenet() | layer("classifier.1", 3, 512, 1, 1, 1),
    "ResNet3D-34": resnet(),
}


def checkpoint(shapes, seed=0):
    """Random weights of some names and shapes, in size as trained ones are."""
    torch.manual_seed(seed)
    state = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(7)
        elif name.endswith("running_var"):
            state[name] = 0.5 + torch.rand(shape)
        elif len(shape) > 1:
            state[name] = torch.randn(shape) * (2 / torch.tensor(shape[1:]).prod()) ** 0.5
        else:
            state[name] = torch.randn(shape) * 0.2 + ("bn" in name and name.endswith("weight"))
    twins = {name: name.replace(".1.", "_.1.") for name in state}
    return state | {
        twin: state[name] for name, twin in twins.items() if twin in shapes and shapes[twin] == shapes[name]
    }
