"""Show where the time of a training step goes.

    python Training/profile_step.py STORE --out FOLDER [--config FILE] [--set KEY=VALUE ...] [--steps 20]

Takes steps as ``train.py`` does with this recipe. FOLDER gets ``step.csv``, milliseconds of a step by stage,
``step.png`` and ``step.svg``, and ``trace.json``, every operator of two more steps, for https://ui.perfetto.dev. Times
are of the GPU where there is one: what a stage takes there, and how long it waits for the processor or for data.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from COVIDMTLLib.models.feature_scaling import make_scaling
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError
from matplotlib import pyplot
from torch.profiler import ProfilerActivity, profile
from tqdm import tqdm

from ..data.store import Store, open_store
from ..engine.batches import Samples, load_training
from ..engine.fit import check_fit, make_fabric, make_ready
from ..engine.prefetch import prefetch
from ..engine.resolve import resolved
from ..engine.splits import choose_rows
from ..recipes.recipe import PAPER, read_recipe
from ..utils import figures
from .bare_step import Stepper, first_passes
from .step_clock import Clock, watch_stages

WARM_UP, TRACED = 3, 2
"""Steps before those that are measured, in which kernels are chosen, and steps in the trace."""

DATA, FORWARD, BACKWARD, OPTIMISER = figures.COLOURS[4], *figures.COLOURS[:3]

COLOUR = {"waiting for data": DATA, "augmentation": DATA, "backward": BACKWARD, "optimiser": OPTIMISER}
"""Of a stage's bar; all others are of the forward pass."""


def measure(
    store: Store, recipe: dict[str, Any], steps: int, device: str = "auto"
) -> tuple[pd.DataFrame, str, profile]:
    """Take steps and time them.

    Parameters
    ----------
    store : Store
    recipe : dict
    steps : int
        That are timed; `WARM_UP` are taken before and `TRACED` after them.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    DataFrame
        A row for each stage, in order: ``stage``, ``milliseconds`` of a step, and ``share`` of it.
    str
        The device.
    profile
        That has the trace.

    Raises
    ------
    InputError
        If store and recipe do not fit, or there is no such device.
    """
    check_fit(store, recipe)
    fabric = make_fabric(recipe, device)
    rows = choose_rows(store, recipe).train
    recipe = resolved(recipe, store, rows)
    scaling = make_scaling(store.features[rows], **recipe["scaling"]) if recipe["network"]["features"] else None
    samples = Samples(store, recipe, scaling)
    clock = Clock(fabric.device)
    network = make_ready(None, recipe, fabric)
    watch_stages(clock, network.backbone, recipe["compile"])
    stepper = Stepper(fabric, network, recipe, clock)
    every = WARM_UP + steps + TRACED
    parts = first_passes(rows, samples.labels, recipe, every)
    batches = zip(parts, prefetch(load_training(samples, parts), fabric.device, stay=("noise",)), strict=True)
    with tqdm(total=every, desc="steps") as screen:
        _take(stepper, clock, batches, WARM_UP, screen)
        clock.stop()
        _take(stepper, clock, batches, steps, screen)
        times = clock.stop()
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if fabric.device.type == "cuda" else [])]
        with profile(activities=activities) as profiler:
            _take(stepper, clock, batches, TRACED, screen)
            clock.stop()
    found = pd.DataFrame({"stage": list(times), "milliseconds": [1e3 * time / steps for time in times.values()]})
    found["share"] = found.milliseconds / found.milliseconds.sum()
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "CPU"
    return found, name, profiler


def picture(found: pd.DataFrame, recipe: dict[str, Any], device: str) -> pyplot.Figure:
    """A bar for each stage."""
    figure, axes = pyplot.subplots(figsize=(figures.WIDE, (0.16 * len(found) + 0.6)))
    colours = [COLOUR.get(stage, FORWARD) for stage in found.stage]
    bars = axes.barh(found.stage, found.milliseconds, color=colours, height=0.75)
    labels = [f"{time:.1f} ms, {share:.0%}" for time, share in zip(found.milliseconds, found.share, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=6.5)
    axes.invert_yaxis()
    axes.margins(x=0.12, y=0.02)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("milliseconds of a step")
    total, size = found.milliseconds.sum(), " x ".join(map(str, recipe["input"]["size"]))
    axes.set_title(
        f"A step of {recipe['batch_size']} volumes of {size} voxels, {recipe['precision']}, on {device}: "
        f"{total:.0f} ms, {1e3 * recipe['batch_size'] / total:.1f} volumes a second",
        loc="left",
    )
    return figure


def _take(stepper: Stepper, clock: Clock, batches, steps: int, screen) -> None:
    """Take steps, and begin to wait for the batch of the next."""
    clock.begin("waiting for data")
    for part, batch in batches:
        stepper.take(part, batch)
        clock.begin("waiting for data")
        if part.number == part.of - 1:
            screen.update()
            steps -= 1
            if not steps:
                return


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="folder of prepared cases")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--config", type=Path, default=PAPER, help="recipe (default: the paper's)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe")
    parser.add_argument("--steps", type=int, default=20, help="steps that are measured (default: 20)")
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    options = parser.parse_args()
    try:
        if options.steps < 1:
            raise InputError("There is nothing to measure in less than one step; give --steps 1 or more.")
        recipe = read_recipe(options.config, options.set)
        found, device, profiler = measure(open_store(options.store), recipe, options.steps, options.device)
        with staged_folder(options.out) as folder:
            profiler.export_chrome_trace(str(folder / "trace.json"))
            found.round({"milliseconds": 3, "share": 4}).to_csv(folder / "step.csv", index=False)
            figures.save(picture(found, recipe, device), folder, "step")
    except InputError as error:
        print(f"profile_step: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("profile_step: stopped", file=sys.stderr)
        return 130
    print(found.to_string(index=False, formatters={"milliseconds": "{:.1f}".format, "share": "{:.1%}".format}))
    return 0
