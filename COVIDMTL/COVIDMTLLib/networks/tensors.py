"""Arrays of NumPy as tensors of PyTorch and back.

The last PyTorch for macOS on x86-64, 2.2, was built for NumPy 1 and cannot tell an array of NumPy 2 from anything else;
memory and DLPack it can.
"""

from __future__ import annotations

import numpy as np
import torch


def to_tensor(array: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """A float32 tensor with the values and the shape of an array of numbers, which it does not share."""
    values = np.array(array, np.float32)  # a copy that may be written to, as PyTorch wants it
    if not values.size:
        return torch.empty(values.shape, device=device)
    return torch.frombuffer(values.data.cast("B"), dtype=torch.float32).reshape(values.shape).to(device)


def to_array(tensor: torch.Tensor) -> np.ndarray:
    """An array with the values, the shape and the type of a tensor."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype == torch.bool:  # which DLPack does not have everywhere
        return to_array(tensor.to(torch.uint8)).astype(bool)
    return np.from_dlpack(tensor).copy()
