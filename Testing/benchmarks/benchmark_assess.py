"""From a CT to its report: the steps as published, through public libraries, and `covid-mtl assess`, in turns.

    python Testing/benchmarks/benchmark_assess.py CT [--rounds 3]

Published: SimpleITK's B-spline, the classical segmentation, Algorithm 1 with scikit-image's `active_contour`,
PyRadiomics on the box of 340 x 390 x 390, COVID-MTL on 200 x 250 x 250 in float32 by plain PyTorch. The project's time
is that of the whole command, Python's start included. PyRadiomics is timed on the bounding box of the lungs, too, with
the 5 voxels that the wavelet needs around it, beside the project's features. Prints the median of the seconds over the
rounds, and the peak memory of the command, the sum of that of its processes. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import SimpleITK as sitk
import torch
from COVIDMTLLib.features.extraction import lung_features
from COVIDMTLLib.imaging.io.reader import read_ct
from COVIDMTLLib.imaging.volume import HU_RANGE, Volume
from COVIDMTLLib.models.inference import Runner
from COVIDMTLLib.segmentation.classical import segment_classical

sys.path[:0] = [str(Path(__file__).parents[1])]

from benchmarks.benchmark_network import case as network_case  # noqa: E402
from support.plain_active_contour import refine_plainly  # noqa: E402
from support.pyradiomics_features import by_pyradiomics  # noqa: E402

BOX = (340, 390, 390)
MARGIN = 5

STEPS = {
    "read": ["read"],
    "resample": ["resample"],
    "segmentation": ["classical segmentation", "active contour"],
    "features": ["features, whole box"],
    "network": ["network"],
    "report": [],
}
"""Steps of the project, as ``assessment.json`` names them, and the published ones that they stand for."""


class Clock:
    """Seconds of steps by name, of every round."""

    def __init__(self):
        self.seconds: dict[str, list[float]] = {}

    def time(self, name: str, step: Callable, *arguments):
        start = time.perf_counter()
        result = step(*arguments)
        self.seconds.setdefault(name, []).append(time.perf_counter() - start)
        return result

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])


def resample(ct: Volume) -> Volume:
    image = sitk.Clamp(ct.to_image(), sitk.sitkFloat32, *HU_RANGE)
    size = [round(n * s) for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    image = sitk.Resample(
        image, size, sitk.Transform(), sitk.sitkBSpline, image.GetOrigin(), (1, 1, 1), image.GetDirection(),
        useNearestNeighborExtrapolator=True,
    )  # fmt: skip
    return Volume.from_image(sitk.Cast(image, sitk.sitkInt16))


def box_of(lungs: np.ndarray) -> tuple[slice, ...]:
    return tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(lungs))


def published(path: Path, clock: Clock, runner: Runner, volume: np.ndarray, features: np.ndarray) -> None:
    ct = clock.time("read", read_ct, path)
    ct = clock.time("resample", resample, ct)
    lungs = clock.time("classical segmentation", segment_classical, ct.array)
    lungs = clock.time("active contour", refine_plainly, ct.array, lungs)
    clock.time("features, whole box", by_pyradiomics, ct.array, lungs, BOX)
    clock.time("network", runner.probabilities, volume, features)
    box = box_of(lungs)
    around = [side.stop - side.start + 2 * MARGIN for side in box]
    theirs = clock.time("PyRadiomics on the bounding box", by_pyradiomics, ct.array[box], lungs[box], around)
    ours = clock.time("the project's features", lambda: list(lung_features(ct, lungs).values()))
    clock.seconds.setdefault("difference", []).append(float(np.abs(ours / theirs - 1).max()))


def assess(path: Path, out: Path, peaks: list[float]) -> dict[str, float]:
    command = [sys.executable, "-m", "COVIDMTLLib", "assess", str(path), "--out", str(out), "--progress", "none"]
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}  # as of the tests
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        peaks.append(peak_memory(psutil.Process(process.pid)))
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    seconds = json.loads((out / "assessment.json").read_text(encoding="utf-8"))["seconds"]
    return {"segmentation" if name == "lungs" else name: value for name, value in seconds.items()}


def peak_memory(process: psutil.Process) -> float:
    """MB that a process and its children needed at most, added up; returns when it has ended."""
    peaks: dict[int, int] = {}
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        for one in (process, *process.children(recursive=True)):
            try:
                status = Path(f"/proc/{one.pid}/status").read_text()
            except FileNotFoundError:  # it has ended since
                continue
            if "VmHWM:" in status:
                peaks[one.pid] = int(status.split("VmHWM:")[1].split()[0])
        time.sleep(0.25)  # looking at all processes takes time of its own
    return sum(peaks.values()) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ct", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="(default: 3)")
    options = parser.parse_args()

    torch.set_num_threads(os.cpu_count() or 1)
    network, volume, features = network_case()
    runner = Runner(network, torch.device("cpu"), torch.float32, torch.contiguous_format)
    theirs, ours, peaks = Clock(), Clock(), []
    for _ in range(options.rounds):
        published(options.ct, theirs, runner, volume, features)
        with tempfile.TemporaryDirectory() as folder:
            steps = ours.time("whole", assess, options.ct, Path(folder), peaks)
        for name, seconds in steps.items():
            ours.seconds.setdefault(name, []).append(seconds)

    print(f"{os.cpu_count()} cores, {options.ct.name}")
    print(f"{'step':<22}{'published':>10}{'project':>10}")
    total = 0.0
    for name, parts in STEPS.items():
        step = sum(theirs.median(part) for part in parts)
        total += step
        print(f"{name:<22}{step:>8.1f} s{ours.median(name):>8.2f} s")
    whole = ours.median("whole")
    print(f"{'whole command':<22}{total:>8.1f} s{whole:>8.2f} s   {whole / total:.3f} of it")
    box, own = theirs.median("PyRadiomics on the bounding box"), theirs.median("the project's features")
    print(f"{'features, bounding box':<22}{box:>8.1f} s{own:>8.2f} s   {own / box:.3f} of it")
    print(f"largest relative difference of a feature {max(theirs.seconds['difference']):.1e}")
    print(f"peak memory of the command {max(peaks):.0f} MB")


if __name__ == "__main__":
    main()
