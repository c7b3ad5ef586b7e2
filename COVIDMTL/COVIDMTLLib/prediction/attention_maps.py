"""Attention: which places of a CT made a network say what it says (section 6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..imaging.volume import Geometry, Volume, linear_on, triple
from ..networks import CovidMTLNet
from ..networks.layers.heads import Head
from ..networks.tensors import to_array


def attention_maps(
    network: CovidMTLNet,
    volume: torch.Tensor,
    features: torch.Tensor | None = None,
    *,
    classes: Mapping[int, int],
) -> dict[int, np.ndarray]:
    """How much each voxel of a network's last map speaks for a class of each task.

    Where the head of a task averages its maps, as all of the paper's do, this is the class activation map: exact,
    in logits, below 0 where a voxel speaks against the class. For others it is Grad-CAM (Selvaraju et al., ICCV
    2017): the backbone's maps, weighted by the averages of the logit's gradients, and cut off below 0.

    Parameters
    ----------
    network : CovidMTLNet
        In evaluation mode.
    volume : tensor (1, 1, D, H, W)
    features : tensor (1, features), optional
    classes : mapping of int to int
        The class to look at of each task that is to be looked at, both by number.

    Returns
    -------
    dict of ndarray of shape (d, h, w)
        float32, by number of the task; see `to_geometry` for where they lie.
    """
    with torch.no_grad():
        last, shared = network.backbone(volume), network.share(features)
    of = {task: _of_class(network.head(task), last, shared, class_) for task, class_ in classes.items()}
    return {task: to_array(found.float()) for task, found in of.items()}


def _of_class(head: Head, last: torch.Tensor, shared: torch.Tensor | None, class_: int) -> torch.Tensor:
    if head.exact:
        with torch.no_grad():
            return head.class_maps(last, shared)[1][0, class_]
    watched = last.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(watched, shared)[0, class_], watched)
    return (gradient.mean((2, 3, 4), keepdim=True) * last).sum(1)[0].relu()


def to_geometry(found: np.ndarray, stride: Sequence[int], crop: Geometry, ct: Geometry) -> Volume:
    """Attention on the geometry of a CT.

    Parameters
    ----------
    found : ndarray of shape (d, h, w)
        Of a map whose voxels are centred on every so manieth voxel of the crop.
    stride : sequence of 3 int
        How many voxels of the crop (z, y, x) one of the map stands for: `Backbone.stride`.
    crop : Geometry
        Of what the network saw.
    ct : Geometry
        In the same patient coordinates (LPS, mm).

    Returns
    -------
    Volume
        float32, interpolated linearly; 0 where the network saw nothing.
    """
    spacing = triple(float(s * n) for s, n in zip(crop.spacing, stride[::-1], strict=True))
    grid = Geometry(triple(found.shape[::-1]), spacing, crop.origin, crop.direction)
    # First to the crop, the last voxels of which may lie beyond the centres of the map's, then to the CT.
    seen = linear_on(Volume(found.astype(np.float32), grid), crop, extrapolate=True)
    return linear_on(seen, ct)
