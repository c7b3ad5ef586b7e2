"""What a panel remembers from one session of Slicer to the next, in Slicer's settings."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from typing import Any

import slicer


def remember(module: str, parameters: Any, names: Iterable[str]) -> None:
    """Keep some parameters of a panel, texts or enums of texts."""
    settings = slicer.app.settings()
    for name in names:
        value = getattr(parameters, name)
        settings.setValue(f"{module}/{name}", value.value if isinstance(value, enum.Enum) else value)


def recall(
    module: str,
    parameters: Any,
    names: Iterable[str],
    usable: Callable[[str, Any], bool] = lambda name, value: True,
) -> None:
    """Set some parameters to what `remember` kept, where it did; what is not usable any more is left out."""
    for name in names:
        value = slicer.util.settingsValue(f"{module}/{name}", None)
        kind = type(getattr(parameters, name))
        try:
            value = None if value is None else kind(value)
        except ValueError:  # a choice that another version had
            continue
        if value is not None and usable(name, value):
            setattr(parameters, name, value)
