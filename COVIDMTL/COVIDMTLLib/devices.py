"""Where a network runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .errors import InputError
from .packages import require

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
"""``auto``: the fastest there is. One of several GPUs is ``cuda:0``, ``cuda:1`` and so on."""


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
    if name not in DEVICES and not re.fullmatch(r"cuda:\d+", name):
        raise InputError(f"There is no device {name}; choose one of {', '.join(DEVICES)}.")
    require("torch")
    import torch

    cuda = torch.cuda.device_count() if torch.cuda.is_available() else 0
    mps = torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    device = torch.device(name)
    if (device.type == "cuda" and (device.index or 0) >= cuda) or (device.type == "mps" and not mps):
        raise InputError(f"This machine has no device {name} that PyTorch can use; choose cpu, or auto.")
    return device
