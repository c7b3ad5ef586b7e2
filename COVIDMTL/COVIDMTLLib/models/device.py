"""Where a network runs."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

from ..utils.errors import InputError
from ..utils.optional_imports import require

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
"""``auto``: the fastest there is. One of several GPUs is ``cuda:0``, ``cuda:1`` and so on."""


def check_device(name: str) -> None:
    """Raise `InputError` for a name that is none of a device; needs no PyTorch."""
    if name not in DEVICES and not re.fullmatch(r"cuda:\d+", name):
        raise InputError(f"There is no device {name}; choose one of {', '.join(DEVICES)}.")


def choose_device(name: str = "auto") -> torch.device:
    """The device of PyTorch that goes by a name.

    Parameters
    ----------
    name : str
        One of `DEVICES`, or ``cuda:`` and a number.

    Returns
    -------
    torch.device

    Raises
    ------
    InputError
        If there is no such device, or this machine has none.
    MissingPackage
        If PyTorch is not installed.
    """
    check_device(name)
    require("torch")
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if name == "auto":
        # On x86-64 no PyTorch is made any more that computes 3D networks on the GPUs of macOS.
        return torch.device("cuda" if cuda else "mps" if mps and platform.machine() == "arm64" else "cpu")
    device = torch.device(name)
    if (device.type == "cuda" and (device.index or 0) >= cuda) or (device.type == "mps" and not mps):
        raise InputError(f"This machine has no device {name} that PyTorch can use; choose cpu, or auto.")
    return device
