"""Check and time training and prediction on a GPU: one command of at most eight minutes, with the installed project.

    python Testing/benchmarks/gpu_checks.py --out Testing
    python Testing/benchmarks/gpu_checks.py --out FOLDER --device cpu          # the same checks in small, without any
    bar of time python Testing/benchmarks/gpu_checks.py --plan                             # what it would do

Writes ``gpu_checks.json`` and ``gpu_checks.md``, a page of figures, and ends with 1 if a check fails. Whoever has a
card runs it and commits both under ``Testing/``. Checks go by worth; those for which no time is left are said to be
left out.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import torch
from COVIDMTLLib import __version__
from COVIDMTLLib.architectures.tasks import TASKS
from COVIDMTLLib.models.inference import make_ready
from COVIDMTLLib.models.store import load_network
from COVIDMTLLib.networks import build_network, initialise
from COVIDMTLLib.networks.layers.shift3d import Shift3D
from COVIDMTLLib.utils.atomic_files import staged_folder
from COVIDMTLLib.utils.errors import InputError

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "Training")]

from benchmarks import benchmark_training  # noqa: E402
from benchmarks.benchmark_shift3d import seconds  # noqa: E402
from covidmtl_training.data.store import Store, make_store, open_store  # noqa: E402
from covidmtl_training.engine.fit import fit  # noqa: E402
from covidmtl_training.recipes.recipe import PAPER, read_recipe  # noqa: E402

ROOT = Path(__file__).parents[2]


LIMIT = 480
"""Seconds that all checks may take."""

SHIFT_BAR, STEP_BAR, PROBABILITY_BAR = 1.5, 3.0, 2e-3
"""Times of a clone, times of the loop's throughput, and how far a probability may lie from that of the CPU."""


class Sizes(NamedTuple):
    """How large the checks are: the paper's sizes on a GPU, and small ones on a CPU."""

    map: tuple[int, ...]
    volume: tuple[int, int, int]
    batch: int
    steps: int
    rounds: int
    cases: int
    epochs: int


SIZES = {
    "cuda": Sizes((10, 64, 100, 125, 125), (200, 250, 250), 10, 4, 2, 48, 4),
    "cpu": Sizes((2, 8, 10, 12, 12), (64, 64, 64), 2, 1, 1, 24, 5),
}


class Checks:
    """The checks of one device; each gives its figures, with ``passed``.

    Parameters
    ----------
    device : {"cuda", "cpu"}
    folder : Path
        For what the checks make.
    """

    def __init__(self, device: str, folder: Path):
        self.device, self.folder, self.sizes = device, folder, SIZES[device]

    def all(self) -> dict[str, Callable[[], dict[str, Any]]]:
        """By what each finds out, in the order of worth."""
        return {
            "Shift3D rolls as torch.roll does, in every precision, and back in the gradient": self.shift,
            "Shift3D beside a clone of the batch": self.shift_time,
            "A training step beside a loop of torch.roll in float32": self.step,
            "Probabilities beside those of the CPU": self.prediction,
            "A short run from a store to an exported model, which has learned": self.run,
            "A run that was stopped goes on": self.resume,
            "Tests that need the device": self.tests,
        }

    def shift(self) -> dict[str, Any]:
        found = {}
        types = (torch.float32, torch.float16, torch.bfloat16)
        for kind in types if self.device == "cuda" else types[:1]:
            layer = Shift3D(chance=1.0, seed=1).train()
            x = torch.randn(2, 16, 12, 20, 24, device=self.device).to(kind).requires_grad_()
            dimensions, shifts = Shift3D(chance=1.0, seed=1).draw(x.shape)
            expected = torch.stack(
                [
                    torch.stack([torch.roll(one, s, d) for one, s, d in zip(sample, of, by, strict=True)])
                    for sample, of, by in zip(x, shifts.tolist(), dimensions.tolist(), strict=True)
                ]
            )
            weight = torch.randn_like(x)
            (mine,) = torch.autograd.grad((layer(x) * weight).sum(), x)
            (theirs,) = torch.autograd.grad((expected * weight).sum(), x)
            same = torch.equal(Shift3D(chance=1.0, seed=1).train()(x), expected) and torch.equal(mine, theirs)
            found[str(kind).removeprefix("torch.")] = same
        return {"passed": all(found.values()), "equal": found}

    def shift_time(self) -> dict[str, Any]:
        x = torch.randn(self.sizes.map, device=self.device, dtype=torch.float32)
        layer = Shift3D(chance=1.0).train()
        both = {"clone": torch.clone, "Shift3D": layer}
        for function in both.values():
            seconds(function, x)  # kernels are compiled by the first call
        taken = [{name: seconds(function, x) for name, function in both.items()} for _ in range(7)]
        ratio = median(one["Shift3D"] / one["clone"] for one in taken)
        milliseconds = {name: 1e3 * median(one[name] for one in taken) for name in both}
        passed = ratio <= SHIFT_BAR if self.device == "cuda" else True
        return {"passed": passed, "times_a_clone": ratio, "bar": SHIFT_BAR, "milliseconds": milliseconds}

    def step(self) -> dict[str, Any]:
        size, batch = list(self.sizes.volume), self.sizes.batch
        changes = [f"input.size={size}", f"batch_size={batch}", f"micro_batch_size={batch}", "workers=0"]
        recipe = read_recipe(PAPER, [*benchmark_training.PUBLISHED_INPUT, *changes])
        ways = ["16-mixed", "bf16-mixed"] if self.device == "cuda" else ["32-true"]
        every = benchmark_training.contenders(recipe, ways, self.device)
        steps = len(every) * self.sizes.rounds * (self.sizes.steps + 1)
        parts, batches = benchmark_training.synthetic(recipe, steps)
        loaded = benchmark_training.prefetch(batches, every[0].device, stay=("noise",))
        pairs = zip(parts, loaded, strict=True)
        for _ in range(self.sizes.rounds):
            for one in every:
                one.turn(pairs, self.sizes.steps)
        rows = {
            one.name: {
                "volumes_a_second": median(one.speeds),
                "times_the_loop": median(one.speeds) / median(every[0].speeds),
                "memory_gb": one.peak / 1e9,
                "busy_percent": float(np.mean(one.busy)) if one.busy else None,
            }
            for one in every
        }
        best = max(rows[way]["times_the_loop"] for way in ways)
        return {"passed": best >= STEP_BAR if self.device == "cuda" else True, "bar": STEP_BAR, "ways": rows}

    def prediction(self) -> dict[str, Any]:
        config = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "tasks": TASKS, "features": 375}
        torch.manual_seed(0)
        network = build_network(config)
        initialise(network)
        network.train()
        small = {"volume": torch.randn(4, 1, 64, 64, 64), "features": torch.rand(4, 375)}
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm3d):
                module.momentum = None
        with torch.no_grad():
            network(**small)
        rng = np.random.default_rng(0)
        case = {"volume": rng.normal(size=self.sizes.volume).astype(np.float32), "features": rng.random(375)}
        runners = {device: make_ready(network, torch.device(device)) for device in ("cpu", self.device)}
        said, taken = {}, {}
        for device, runner in runners.items():
            runner.probabilities(**case)
            start = time.perf_counter()
            said[device] = np.concatenate(runner.probabilities(**case))
            taken[device] = time.perf_counter() - start
        difference = float(np.abs(said["cpu"] - said[self.device]).max())
        passed = difference < PROBABILITY_BAR
        return {"passed": passed, "largest_difference": difference, "bar": PROBABILITY_BAR, "seconds": taken}

    def _recipe(self, *changes: str) -> dict[str, Any]:
        precision = "16-mixed" if self.device == "cuda" else "32-true"
        own = [
            "input={box: [40, 44, 44], size: [32, 32, 32], spacing: 5, mean: 600, std: 450}",
            "crops.step=2",
            f"precision={precision}",
        ]
        own += [
            f"epochs={self.sizes.epochs}",
            "optimizer.lr=2e-3",
            "batch_size=4",
            "workers=0",
            "norm_momentum=0.1",
            "tasks=[covid_ct]",
        ]
        return read_recipe(PAPER, [*own, "watch_test=true", *changes])

    def _store(self):
        """Cases of noise, those of the second class brighter."""
        folder = self.folder / "store"
        if folder.is_dir():
            return open_store(folder)
        rng = np.random.default_rng(0)
        count = self.sizes.cases
        labels = np.stack([np.arange(count) % 2] * 3, axis=1)
        noise = rng.integers(0, 300, (count, 40, 44, 44))
        volumes = (noise + 900 * labels[:, 0, None, None, None]).astype(np.int16)
        splits = ["train" if number < 2 * count // 3 else "test" for number in range(count)]
        names = [f"case-{number}" for number in range(count)]
        return make_store(
            Store(folder, (40, 44, 44), 5.0, names, splits, labels, rng.normal(size=(count, 375))), volumes
        )

    def run(self) -> dict[str, Any]:
        start = time.perf_counter()
        run = fit(self._store(), self._recipe(), self.folder / "run", device=self.device)
        taken = time.perf_counter() - start
        card, _ = load_network(run.folder / "last")
        log = run.log
        figures = {"first_loss": log.loss.iloc[0], "last_loss": log.loss.iloc[-1], "seconds": taken}
        return {"passed": bool(log.loss.iloc[-1] < log.loss.iloc[0]) and card["name"] == "run"} | figures

    def resume(self) -> dict[str, Any]:
        recipe = self._recipe("checkpoint_steps=1")
        whole = fit(self._store(), recipe, self.folder / "whole", device=self.device)
        half = self.folder / "half"
        trained = _stopped(self._store(), recipe, half, self.device)
        again = fit(self._store(), recipe, half, device=self.device)
        ours, theirs = (load_network(one.folder / "last")[1].state_dict() for one in (whole, again))
        furthest = max(float((ours[name].double() - theirs[name].double()).abs().max()) for name in ours)
        # On a GPU some sums are added in any order; on a CPU the weights are the same to the bit.
        passed = trained < len(whole.log) and (furthest == 0 if self.device == "cpu" else furthest < 0.05)
        return {"passed": passed, "epochs_before_the_stop": trained, "largest_difference_of_a_weight": furthest}

    def tests(self) -> dict[str, Any]:
        if self.device == "cpu":
            return {"passed": True, "said": "left to the test suite"}
        names = ("core/networks/test_shift3d.py", "training/volumes/test_training_speed.py")
        files = [ROOT / "Testing" / name for name in names]
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-k", "cuda", *map(str, files)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
        return {"passed": done.returncode == 0, "said": done.stdout.strip().splitlines()[-1]}


def _stopped(store, recipe, folder, device) -> int:
    """Train, and stop as Ctrl-C does after the first epoch; how many were done."""
    from covidmtl_training.engine.trainer import Trainer

    done, report = [], Trainer._report

    def stop(self, row):
        report(self, row)
        done.append(row["epoch"])
        raise KeyboardInterrupt

    Trainer._report = stop
    try:
        fit(store, recipe, folder, device=device)
    except KeyboardInterrupt:
        pass
    finally:
        Trainer._report = report
    return len(done)


def check(device: str, limit: float = LIMIT) -> dict[str, Any]:
    """Do all checks for which there is time.

    Parameters
    ----------
    device : {"cuda", "cpu"}
    limit : float
        Seconds after which no check begins any more.

    Returns
    -------
    dict
        ``device``, ``software``, ``seconds``, ``passed`` and ``checks``, the figures of each.
    """
    began, found = time.perf_counter(), {}
    with tempfile.TemporaryDirectory() as folder:
        for name, one in Checks(device, Path(folder)).all().items():
            start = time.perf_counter()
            if start - began > limit:
                found[name] = {"passed": None, "said": "left out, since no time was left"}
                continue
            try:
                with contextlib.redirect_stdout(sys.stderr):  # where runs say how they go
                    result = one()
            except (RuntimeError, InputError) as error:
                result = {"passed": False, "said": f"{type(error).__name__}: {error}"}
            found[name] = result | {"seconds_of_check": time.perf_counter() - start}
            print(f"{_mark(found[name])} {name}", file=sys.stderr, flush=True)
    gpu = torch.cuda.get_device_name() if device == "cuda" else f"CPU, {torch.get_num_threads()} threads"
    return {
        "device": gpu,
        "software": {"covid-mtl": __version__, "torch": torch.__version__, "cuda": torch.version.cuda},
        "seconds": time.perf_counter() - began,
        "passed": all(one["passed"] is not False for one in found.values()),
        "checks": found,
    }


def page(found: dict[str, Any]) -> str:
    """The figures as a page of Markdown."""
    software = ", ".join(f"{name} {version}" for name, version in found["software"].items() if version)
    lines = [
        f"# Checks on {found['device']}",
        "",
        f"{software}. `python Testing/benchmarks/gpu_checks.py`, {found['seconds']:.0f} s.",
    ]
    lines += ["", "| check | result | figures |", "| --- | --- | --- |"]
    for name, one in found["checks"].items():
        figures = {key: value for key, value in one.items() if key not in ("passed", "ways", "seconds_of_check")}
        lines.append(f"| {name} | {_mark(one)} | {_in_words(figures)} |")
        for way, row in one.get("ways", {}).items():
            lines.append(f"| {way} | | {_in_words(row)} |")
    return "\n".join(lines) + "\n"


def _mark(one: dict[str, Any]) -> str:
    return {True: "passed", False: "FAILED", None: "left out"}[one["passed"]]


def _in_words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key.replace('_', ' ')} {_in_words(one)}" for key, one in value.items() if one is not None)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for gpu_checks.json and gpu_checks.md")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--plan", action="store_true", help="only say what would be done")
    options = parser.parse_args()
    if options.plan or (options.device == "cuda" and not torch.cuda.is_available()):
        print(
            "Within 8 minutes on a GPU this checks:", *(f"- {name}" for name in Checks("cuda", Path()).all()), sep="\n"
        )
        if not options.plan:
            print("gpu_checks: there is no GPU here; --device cpu does it in small.", file=sys.stderr)
        return 0 if options.plan else 2
    if options.out is None:
        parser.error("give a folder with --out")
    found = check(options.device)
    with staged_folder(options.out) as folder:
        (folder / "gpu_checks.json").write_text(json.dumps(found, indent=2, default=float) + "\n", encoding="utf-8")
        (folder / "gpu_checks.md").write_text(page(found), encoding="utf-8")
    print(page(found))
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
