"""A forest of decision trees as a network of PyTorch, so that it is stored without pickle and needs no scikit-learn."""

from __future__ import annotations

import torch
from torch import nn


class Forest(nn.Module):
    """The mean of decision trees.

    The nodes of all trees stand in one list, each tree in depth-first order: the left child of a node is the one
    after it, and the right child comes later still, so that no walk can go in circles.

    Takes a tensor (N, columns), NaN where a value is unknown, and returns (N, groups), the mean of the leaves that
    it ends in.

    Parameters
    ----------
    columns : int
        Number of inputs.
    groups : int
        Number of classes of the trees.
    trees, nodes : int
        How many there are, in all.
    """

    root: torch.Tensor
    column: torch.Tensor
    threshold: torch.Tensor
    right: torch.Tensor
    unknown_left: torch.Tensor
    value: torch.Tensor

    def __init__(self, columns: int, groups: int, trees: int, nodes: int):
        super().__init__()
        self.columns = columns
        self.register_buffer("root", torch.zeros(trees, dtype=torch.int32))
        self.register_buffer("column", torch.full((nodes,), -1, dtype=torch.int16))  # -1 for a leaf
        self.register_buffer("threshold", torch.zeros(nodes))  # up to it, a case goes left
        self.register_buffer("right", torch.zeros(nodes, dtype=torch.int32))
        self.register_buffer("unknown_left", torch.zeros(nodes, dtype=torch.bool))
        self.register_buffer("value", torch.zeros(nodes, groups))  # of the training cases in a node: the shares

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean shares (N, groups) for inputs (N, columns)."""
        node = self.root.long().expand(len(x), -1)
        while True:
            following = self._following(x, node)
            if torch.equal(following, node):
                return self.value[node].mean(1)
            node = following

    def _following(self, x: torch.Tensor, node: torch.Tensor) -> torch.Tensor:
        column = self.column[node].long()
        value = x.gather(1, column.clamp(min=0))
        left = torch.where(value.isnan(), self.unknown_left[node], value <= self.threshold[node])
        return torch.where(column < 0, node, torch.where(left, node + 1, self.right[node].long()))
