"""What a long job tells about itself while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

Callback = Callable[[str, float, str], None]
"""Is called with the name of the step, the share of the whole job done (0 to 1) and a line of text.
Whatever it raises ends the job."""

Update = Callable[[float], None]
"""Is called with the share of a step done, 0 to 1."""


def silent(step: str, fraction: float, text: str) -> None:
    """The callback that tells nobody."""


class Steps:
    """Turns the progress of single steps into that of the whole job, and times them.

    Parameters
    ----------
    callback : Callback
    shares : dict
        Name of each step and about what share of the whole time it takes.

    Attributes
    ----------
    seconds : dict
        Seconds that each step took.
    """

    def __init__(self, callback: Callback, shares: Mapping[str, float]):
        self.callback = callback
        self.seconds: dict[str, float] = {}
        total, start = sum(shares.values()), 0.0
        self._spans = {}
        for name, share in shares.items():
            self._spans[name] = (start / total, (start + share) / total)
            start += share

    @contextmanager
    def step(self, name: str, text: str) -> Iterator[Update]:
        """Run a step; gives the function to tell the share of the step done (0 to 1)."""
        start, end = self._spans[name]

        def update(fraction: float) -> None:
            # In this form a step ends exactly where the next one starts.
            self.callback(name, (1 - fraction) * start + fraction * end, text)

        update(0.0)
        began = time.perf_counter()
        yield update
        self.seconds[name] = round(time.perf_counter() - began, 3)
        update(1.0)
