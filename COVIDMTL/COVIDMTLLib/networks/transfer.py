"""Transfer of a trained network to other tasks (section 5.4)."""

from __future__ import annotations

import copy
from collections.abc import Sequence

from torch import nn

from ..architectures.config import EMBEDDING
from ..utils.errors import InputError
from . import CovidMTLNet, FeaturesMTL, initialise
from .layers.heads import Head


def transfer(network: CovidMTLNet | FeaturesMTL, classes: Sequence[int]) -> CovidMTLNet | FeaturesMTL:
    """A copy of a network for other tasks: what its tasks share is frozen, their own layers are new.

    The new heads are the paper's, start as those of a new network do (`networks.initialise`), and alone have parameters
    that take a gradient. The batch normalisation of the shared layers stays in evaluation, also when the network is
    put into training, so that training changes none of their numbers. Shift3D goes on shifting: without it the paper
    saw no gain.

    Parameters
    ----------
    network : CovidMTLNet or FeaturesMTL
        Trained; it is left as it is.
    classes : sequence of int
        Number of classes of each new task.

    Returns
    -------
    CovidMTLNet or FeaturesMTL
        With parameters and buffers named as in the network that `build_network` makes for the new tasks with
        the paper's heads.

    Raises
    ------
    InputError
        If there is no new task, or one with fewer than two classes.
    """
    if not classes or min(classes) < 2:
        raise InputError("Transfer needs one new task or more, each of two classes or more.")
    if isinstance(network, FeaturesMTL):
        first = network.fnn[0]
        assert isinstance(first, nn.Linear)
        heads = FeaturesMTL(first.in_features, classes).heads
    else:
        width = 0 if network.fnn is None else EMBEDDING
        heads = nn.ModuleList(Head(network.backbone.channels, count, features=width) for count in classes)
    initialise(heads)
    fresh = copy.deepcopy(network).requires_grad_(False)
    for module in fresh.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.__class__ = _FrozenBatchNorm3d  # in place, so that names and numbers stay
            module.eval()
    fresh.heads = heads.train(fresh.training)
    return fresh


class _FrozenBatchNorm3d(nn.BatchNorm3d):
    def train(self, mode: bool = True) -> _FrozenBatchNorm3d:
        return super().train(False)
