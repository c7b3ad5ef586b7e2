"""Measure the network on one CT-sized volume: as PyTorch runs it, and as `inference.make_ready` leaves it.

    python Testing/benchmarks/benchmark_network.py [--repeats 5] [--rounds 3]

Each has processes of its own, in turn, so that a busy machine slows both. Prints the median time, the largest
difference of a probability to the plain network's, and the peak memory of a process, PyTorch included. Linux only.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

SHAPE = (200, 250, 250)
KINDS = ("plain", "ready", "ready, bfloat16")
TASKS = [
    {"name": name, "title": name, "classes": classes}
    for name, classes in {"ct": ["no", "yes"], "nat": ["no", "yes"], "severity": ["none", "mild", "severe"]}.items()
]
CONFIG = {"architecture": "covid-mtl", "backbone": "squeezenet3d", "features": 375, "tasks": TASKS}


def case():
    """A network with normalisation that fits its maps, as after training, a volume and features; always the same."""
    import numpy as np
    import torch
    from COVIDMTLLib.networks import build_network

    torch.manual_seed(0)
    network = build_network(CONFIG)
    rng = np.random.default_rng(0)
    volume = rng.standard_normal(SHAPE, np.float32)
    features = rng.standard_normal(375, np.float32)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            module.momentum = None
    with torch.no_grad():
        for corner in (0, 60):
            part = torch.from_numpy(volume[None, None, corner : corner + 96, :96, :96])
            network.train()(part, torch.from_numpy(features[None]))
    return network.eval(), volume, features


def measure(kind: str, repeats: int) -> dict:
    """Seconds of each run but the first, probabilities, and peak memory of this process in MB."""
    import torch
    from COVIDMTLLib.models.inference import Runner, make_ready

    network, volume, features = case()
    device = torch.device("cpu")
    if kind == "plain":
        runner = Runner(network, device, torch.float32, torch.contiguous_format)
    else:
        runner = make_ready(network, device, torch.bfloat16 if "bfloat16" in kind else torch.float32)
    seconds = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        probabilities = runner.probabilities(volume, features)
        seconds.append(time.perf_counter() - start)
    # Not of getrusage, in which what a process was before it started this program counts too.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return {
        "seconds": seconds[1:],
        "probabilities": [value for one in probabilities for value in one],
        "peak": peak,
        "used": runner.used | {"threads": torch.get_num_threads()},
    }


def in_own_process(kind: str, repeats: int) -> dict:
    """`measure` in a fresh process."""
    command = [sys.executable, __file__, "--one", kind, "--repeats", str(repeats)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each process that are timed (default: 5)")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each kind (default: 3)")
    parser.add_argument("--one", choices=KINDS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(options.one, options.repeats)))
        return
    results = {kind: [] for kind in KINDS}
    for _ in range(options.rounds):
        for kind in KINDS:
            results[kind].append(in_own_process(kind, options.repeats))
    plain = results["plain"]
    base = statistics.median(second for one in plain for second in one["seconds"])
    for kind, ones in results.items():
        median = statistics.median(second for one in ones for second in one["seconds"])
        pairs = zip(ones[0]["probabilities"], plain[0]["probabilities"], strict=True)
        difference = max(abs(a - b) for a, b in pairs)
        peak = max(one["peak"] for one in ones)
        print(
            f"{kind:<16} {median:6.2f} s  {median / base:5.2f} of plain  probabilities differ by {difference:.1e}  "
            f"peak {peak:5.0f} MB  {ones[0]['used']}"
        )


if __name__ == "__main__":
    main()
