"""A clock for the stages of a training step."""

from __future__ import annotations

import time
from itertools import pairwise

import torch
from COVIDMTLLib.networks.backbones.base import Backbone
from torch.profiler import record_function


class Clock:
    """Times stages that follow one another: each ends where the next begins.

    On a GPU by its own events, so that nothing waits for it while the clock runs. In traces of PyTorch's profiler
    stages are ranges of their names.
    """

    def __init__(self, device: torch.device):
        self.device, self.stage, self._range = device, None, None
        self._marks = []

    def begin(self, stage: str | None) -> None:
        """End the stage that runs and begin another, or None."""
        if self._range is not None:
            self._range.__exit__(None, None, None)
        self._range = None if stage is None else record_function(stage)
        if self._range is not None:
            self._range.__enter__()
        self.stage = stage
        self._marks.append((stage, self._now()))

    def stop(self) -> dict[str, float]:
        """End the stage that runs, and give the seconds of each since the last stop, in the order of their first."""
        self.begin(None)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = {}
        for (stage, start), (_, end) in pairwise(self._marks):
            if stage is not None:
                seconds[stage] = seconds.get(stage, 0.0) + self._between(start, end)
        self._marks = []
        return seconds

    def _now(self):
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _between(self, start, end) -> float:
        return start.elapsed_time(end) / 1e3 if self.device.type == "cuda" else end - start


def watch_stages(clock: Clock, backbone: Backbone, compiled: bool) -> None:
    """Let the layers of a backbone begin stages of a forward pass; what comes after them is ``heads and loss``.

    Layers of a compiled body are one stage. What is computed again in the backward pass is a part of that.
    """
    stages = {"stem": backbone.stem, "Shift3D": backbone.shift, "pooling": backbone.pool}
    if compiled:
        stages["body"] = backbone.body
    else:
        stages |= {f"body {number}: {type(layer).__name__}": layer for number, layer in enumerate(backbone.body)}
    for stage, layer in stages.items():
        if layer is not None:
            layer.register_forward_pre_hook(lambda *_, stage=stage: _begin_forward(clock, stage))
    backbone.register_forward_hook(lambda *_: _begin_forward(clock, "heads and loss"))


def _begin_forward(clock: Clock, stage: str) -> None:
    if clock.stage != "backward":
        clock.begin(stage)
