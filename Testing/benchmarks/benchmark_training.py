"""Time the paper's training step beside the same network with a loop of `torch.roll` for Shift3D, in float32.

    python Testing/benchmarks/benchmark_training.py [--data STORE] [--ways 16-mixed 16-mixed+channels_last+compile ...]
    python Testing/benchmarks/benchmark_training.py --device cpu --size 32 32 32 --batch 2 --steps 2 --rounds 1

All take their steps in turns, so that a busy machine slows each. A way is a precision of the recipe and any of
channels_last, compile and checkpointing. Each turn starts with a step that is not timed. Batches are random volumes in
pinned memory, or come from a STORE that ``prepare.py`` made, read by the recipe's workers; then let a turn be much
longer than the 2 batches for each worker that wait when it starts. Prints volumes a second (the median of the rounds),
how many times those of the loop that is, the GPU memory at the peak, how much of the time the GPU was busy (with
nvidia-ml-py installed) and how much of it the processor waited for data.

The loop runs as PyTorch does by default, with convolutions in TF32 where the GPU has it, and without it, too.
"""

import argparse
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from COVIDMTLLib.features.names import FEATURE_NAMES
from COVIDMTLLib.models.feature_scaling import make_scaling
from COVIDMTLLib.networks import initialise
from COVIDMTLLib.networks.layers.shift3d import Shift3D
from COVIDMTLLib.utils.errors import InputError

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "Training")]

from covidmtl_training.data.store import open_store  # noqa: E402
from covidmtl_training.engine.batches import QUIET, Micro, Samples, load_training  # noqa: E402
from covidmtl_training.engine.fit import check_fit, make_fabric, make_ready  # noqa: E402
from covidmtl_training.engine.prefetch import prefetch  # noqa: E402
from covidmtl_training.engine.splits import choose_rows  # noqa: E402
from covidmtl_training.profiling.bare_step import Stepper, first_passes  # noqa: E402
from covidmtl_training.recipes.recipe import PAPER, PRECISIONS, make_network, read_recipe, tasks_of  # noqa: E402

PUBLISHED_INPUT = ("input.mean=16.71", "input.std=85.17")
"""Those of the training cases, which random volumes have not, say nothing about time."""

FLAGS = ("channels_last", "compile", "checkpointing")

WAYS = {
    "cuda": ["16-mixed", "16-mixed+channels_last", "16-mixed+compile", "16-mixed+checkpointing", "bf16-mixed"],
    "cpu": ["32-true", "32-true+checkpointing"],
}
"""What is timed by default."""

BUSY_EVERY = 0.2
"""Seconds between two looks at how busy the GPU is."""


class RollLoop(Shift3D):
    """Shift3D as one would write it at first: `torch.roll` map by map."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shifts as `Shift3D`'s."""
        if not self.training:
            return x
        dimensions, shifts = self.draw(x.shape)
        self.iteration += 1
        rolled = []
        for sample, dims, lines in zip(x, dimensions.tolist(), shifts.tolist(), strict=True):
            maps = [torch.roll(one, line, dim) for one, line, dim in zip(sample, lines, dims, strict=True)]
            rolled.append(torch.stack(maps) if any(lines) else sample)
        return torch.stack(rolled)


class Contender:
    """A network that takes steps in turns with others.

    Attributes
    ----------
    speeds, busy, waited : list of float
        Volumes a second of each turn, and percent of its time.
    peak : int
        Bytes.
    """

    def __init__(self, name: str, recipe: dict, device: str, loop: bool, tf32: bool = True):
        self.name, self.tf32 = name, tf32
        self.speeds, self.busy, self.waited, self.peak = [], [], [], 0
        fabric = make_fabric(recipe, device)
        self.device = fabric.device
        torch.manual_seed(0)
        network = make_network(recipe)
        initialise(network)
        if loop and network.backbone.shift is not None:
            network.backbone.shift = RollLoop(**recipe["network"]["shift"])
        self.stepper = Stepper(fabric, make_ready(network, recipe, fabric), recipe)

    def turn(self, batches: Iterator, steps: int) -> None:
        """Take steps, after a first one that is not timed."""
        gpu = self.device.type == "cuda"
        if gpu:
            torch.backends.cudnn.allow_tf32 = self.tf32
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)
        self._take(batches, 1)
        with Busy(self.device) as busy:
            start = time.perf_counter()
            volumes, waited = self._take(batches, steps)
            seconds = time.perf_counter() - start
        self.speeds.append(volumes / seconds)
        self.busy += busy.seen
        self.waited.append(100 * waited / seconds)
        self.peak = max(self.peak, torch.cuda.max_memory_allocated(self.device) if gpu else 0)

    def _take(self, batches, steps):
        volumes = waited = 0
        while steps:
            start = time.perf_counter()
            part, batch = next(batches)
            waited += time.perf_counter() - start
            self.stepper.take(part, batch)
            volumes += len(part.rows)
            steps -= part.number == part.of - 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return volumes, waited

    def line(self, loop: float) -> str:
        """A row of the table, with the speed of the loop to compare with."""
        if not self.speeds:
            return f"{self.name:<44} does not fit in the memory of this GPU"
        peak = f"{self.peak / 1e9:7.2f} GB" if self.peak else f"{'-':>10}"
        busy = f"{mean(self.busy):5.0f} %" if self.busy else f"{'-':>7}"
        speed = median(self.speeds)
        return f"{self.name:<44}{speed:9.2f}{speed / loop:8.2f} x{peak}{busy}{mean(self.waited):7.1f} %"


class Busy:
    """Percent of the time that a GPU was busy, seen now and then while a block runs; nothing where it does not say."""

    def __init__(self, device: torch.device):
        self.device, self.seen, self.over = device, [], threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> "Busy":
        if self.device.type == "cuda":
            self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.over.set()
        if self.thread.is_alive():
            self.thread.join()

    def _look(self) -> None:
        while not self.over.wait(BUSY_EVERY):
            try:
                self.seen.append(torch.cuda.utilization(self.device))
            except Exception:  # nvidia-ml-py is missing, or the driver has errors of its own: the column stays empty
                return


def synthetic(recipe: dict, steps: int) -> tuple[list[Micro], Iterable]:
    """What steps see, and random batches for it, over and over the same few."""
    random = np.random.default_rng(0)
    labels = torch.zeros(recipe["batch_size"], len(recipe["tasks"]), dtype=torch.int64)
    parts = first_passes(np.arange(recipe["batch_size"]), labels, recipe, steps)
    known = {size: [_random_batch(recipe, size, random) for _ in range(2)] for size in {len(p.rows) for p in parts}}
    return parts, (known[len(part.rows)][number % 2] for number, part in enumerate(parts))


def _random_batch(recipe, size, random):
    batch = {
        "volume": random.integers(0, 2000, (size, 1, *recipe["input"]["size"]), np.int16),
        "labels": np.stack([random.integers(len(task.classes), size=size) for task in tasks_of(recipe)], 1),
        "noise": np.where(random.random(size) < recipe["augmentation"]["noise"], 1, QUIET),
    }
    if recipe["network"]["features"]:
        batch["features"] = random.standard_normal((size, len(FEATURE_NAMES)), np.float32) / 10
    tensors = {name: torch.from_numpy(array) for name, array in batch.items()}
    return {name: one.pin_memory() for name, one in tensors.items()} if torch.cuda.is_available() else tensors


def stored(folder: Path, recipe: dict, steps: int) -> tuple[list[Micro], Iterable]:
    """What steps see of the training rows of a store, and a loader of it."""
    store = open_store(folder)
    check_fit(store, recipe)
    rows = choose_rows(store, recipe).train
    scaling = make_scaling(store.features[rows], **recipe["scaling"]) if recipe["network"]["features"] else None
    samples = Samples(store, recipe, scaling)
    parts = first_passes(rows, samples.labels, recipe, steps)
    return parts, load_training(samples, parts)


def contenders(recipe: dict, ways: list[str], device: str) -> list[Contender]:
    """The loop first."""
    plain = recipe | {"precision": "32-true", **dict.fromkeys(FLAGS, False)}
    found = [Contender("loop of torch.roll, float32", plain, device, loop=True)]
    if device == "cuda" and torch.cuda.get_device_capability() >= (8, 0):
        found.append(Contender("loop of torch.roll, float32 without TF32", plain, device, loop=True, tf32=False))
    for way in ways:
        precision, *flags = way.split("+")
        if precision not in PRECISIONS or set(flags) - set(FLAGS):
            raise InputError(
                f"{way} is no way to train; join one of {', '.join(PRECISIONS)} and any of {', '.join(FLAGS)} by +."
            )
        chosen = recipe | {"precision": precision, **{flag: flag in flags for flag in FLAGS}}
        found.append(Contender(way, chosen, device, loop=False))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, metavar="STORE", help="store to read from (default: random volumes)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--size", type=int, nargs=3, help="of a volume, in voxels (default: the recipe's)")
    parser.add_argument("--batch", type=int, help="volumes of a step and of a forward pass (default: the recipe's)")
    parser.add_argument("--steps", type=int, default=10, help="steps of a turn (default: 10)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each (default: 3)")
    parser.add_argument("--ways", nargs="+", help="how to train (default for GPUs: " + " ".join(WAYS["cuda"]) + ")")
    parser.add_argument("--config", type=Path, default=PAPER, help="recipe (default: the paper's)")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="changes to the recipe")
    options = parser.parse_args()
    changes = list(options.set)
    if options.size:
        changes.append(f"input.size={options.size}")
    if options.batch:
        changes += [f"batch_size={options.batch}", f"micro_batch_size={options.batch}"]
    try:
        recipe = read_recipe(options.config, [*PUBLISHED_INPUT, *changes])
        run(recipe, options)
    except InputError as error:
        print(f"benchmark_training: {error}", file=sys.stderr)
        return 2
    return 0


def run(recipe: dict, options: argparse.Namespace) -> None:
    """Let all take their turns, and print the table."""
    every = contenders(recipe, options.ways or WAYS[options.device], options.device)
    steps = len(every) * options.rounds * (options.steps + 1)
    parts, given = stored(options.data, recipe, steps) if options.data else synthetic(recipe, steps)
    batches = zip(parts, prefetch(given, every[0].device, stay=("noise",)), strict=True)
    gone = set()
    for _ in range(options.rounds):
        for one in every:
            if one.name in gone:
                continue
            try:
                one.turn(batches, options.steps)
            except torch.cuda.OutOfMemoryError:
                one.speeds.clear()
                gone.add(one.name)
    device = torch.cuda.get_device_name() if options.device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    size = " x ".join(map(str, recipe["input"]["size"]))
    print(f"{device}, PyTorch {torch.__version__}, batches of {recipe['batch_size']} x {size}")
    print(f"{'':<44}{'volumes/s':>9}{'of loop':>10}{'memory':>10}{'busy':>7}{'waiting':>9}")
    loop = median(every[0].speeds) if every[0].speeds else float("nan")
    for one in every:
        print(one.line(loop))


if __name__ == "__main__":
    sys.exit(main())
