"""The layers of a single task."""

from __future__ import annotations

import torch
from torch import nn


class Head(nn.Module):
    """From the last map of a backbone to the logits of a task.

    The paper's: dropout, a 1x1x1 convolution to 32 maps, ReLU and their averages, which together with what the
    auxiliary FNN makes of the features go through ReLU and a linear layer.

    Parameters
    ----------
    channels : int
        Of the backbone's map.
    classes : int
    maps : int, optional
        Maps that the convolution makes. With None there is none, and the backbone's own are averaged.
    features : int
        Width of what the auxiliary FNN gives, or 0.
    dropout : float
        Share of the map's values that are dropped in training.
    published_logits : bool
        Without a linear layer, the averages of the first maps are the logits, as the paper's authors trained
        their networks on the volume alone. Such a network has up to 30 maps that stand for no class, for its
        loss took them for classes that never occur. Only the logits of the classes that do are given here: their
        softmax is the probability of each, given that it is one of them, and sums to 1.
    largest : bool
        Whether the largest value of each map counts, as in DeCoVNet, instead of the average.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        maps: int | None = 32,
        features: int = 0,
        dropout: float = 0.3,
        published_logits: bool = False,
        largest: bool = False,
    ):
        super().__init__()
        self.classes, self.largest = classes, largest
        self.dropout = nn.Dropout(dropout)
        self.reduce = None if maps is None else nn.Conv3d(channels, maps, 1)
        self.classify = None if published_logits else nn.Linear((maps or channels) + features, classes)

    @property
    def exact(self) -> bool:
        """Whether `class_maps` are exact."""
        return not self.largest

    def forward(self, last: torch.Tensor, features: torch.Tensor | None = None) -> torch.Tensor:
        """Logits (N, classes) from the last map (N, channels, d, h, w) and the FNN's output (N, width)."""
        return self._logits(self._maps(last), features)

    def class_maps(self, last: torch.Tensor, features: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits, and what each voxel of the last map adds to them.

        A logit is the average of its class's map, plus its bias, plus the share of the features.

        Returns
        -------
        logits : tensor (N, classes)
        maps : tensor (N, classes, d, h, w)

        Raises
        ------
        ValueError
            If the head takes the largest values, which voxels do not share in.
        """
        if not self.exact:
            raise ValueError("Class activation maps are for heads that average; this one takes the largest values.")
        maps = self._maps(last)
        logits = self._logits(maps, features)
        if self.classify is None:
            return logits, maps[:, : self.classes]
        weights = self.classify.weight[:, : maps.shape[1]]
        return logits, torch.einsum("ck,nkdhw->ncdhw", weights, maps)

    def _maps(self, last: torch.Tensor) -> torch.Tensor:
        last = self.dropout(last)
        return last if self.reduce is None else self.reduce(last).relu_()

    def _logits(self, maps: torch.Tensor, features: torch.Tensor | None) -> torch.Tensor:
        pooled = maps.amax((2, 3, 4)) if self.largest else maps.mean((2, 3, 4))
        if self.classify is None:
            return pooled[:, : self.classes]
        # All maps end in a ReLU, so that only the features need the one that the paper has after joining them.
        return self.classify(pooled if features is None else torch.cat([pooled, features.relu()], 1))
