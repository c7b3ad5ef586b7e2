"""COVID-MTL (Fig. 1)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from .backbones.base import Backbone
from .layers.feature_branch import AuxiliaryFNN
from .layers.heads import Head


class CovidMTLNet(nn.Module):
    """A shared backbone, a head for each task and, if it sees features too, the auxiliary FNN.

    With one head it is a single-task network. See `build_network` for the paper's.

    Parameters
    ----------
    backbone : Backbone
    heads : sequence of Head
        In the order of the tasks; made for the width of the FNN if there is one.
    fnn : AuxiliaryFNN, optional
    """

    def __init__(self, backbone: Backbone, heads: Sequence[Head], fnn: AuxiliaryFNN | None = None):
        super().__init__()
        self.backbone, self.heads, self.fnn = backbone, nn.ModuleList(heads), fnn

    @property
    def inputs(self) -> tuple[str, ...]:
        """What `forward` takes, by keyword."""
        return ("volume",) if self.fnn is None else ("volume", "features")

    def forward(self, volume: torch.Tensor, features: torch.Tensor | None = None) -> list[torch.Tensor]:
        """Logits of each task.

        Parameters
        ----------
        volume : tensor (N, 1, D, H, W)
            Lung volumes as `inference.prepare` makes them.
        features : tensor (N, features), optional
            Scaled features, if the network takes them.

        Returns
        -------
        list of tensors (N, classes)

        Raises
        ------
        ValueError
            If the volume has another shape or is too small, or features are missing or too many.
        """
        last, shared = self.backbone(volume), self.share(features)
        return [head(last, shared) for head in self.heads]

    def class_maps(
        self, volume: torch.Tensor, features: torch.Tensor | None = None
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Logits (N, classes) and exact class activation maps (N, classes, d, h, w) of each task (section 6).

        The average of a map, plus the bias of its class and the share of the features, is its logit. Raises
        `ValueError` as `forward` and `Head.class_maps` do.
        """
        last, shared = self.backbone(volume), self.share(features)
        tasks = range(len(self.heads))
        logits, maps = zip(*(self.head(task).class_maps(last, shared) for task in tasks), strict=True)
        return list(logits), list(maps)

    def head(self, task: int) -> Head:
        """The head of a task, by the number of the task."""
        found = self.heads[task]
        assert isinstance(found, Head)
        return found

    def share(self, features: torch.Tensor | None) -> torch.Tensor | None:
        """What the heads see of features (N, features): a tensor (N, 32), or None if the network takes none."""
        if features is None and self.fnn is None:
            return None
        if features is None or self.fnn is None:
            raise ValueError("This network takes a volume " + ("alone." if self.fnn is None else "and features."))
        return self.fnn(features)
