"""Throughput per core of a cohort on two workers, against two single runs of ``covid-mtl assess`` side by side.

    python Testing/benchmark_cohort.py --cases 8 --size 0.6
    python Testing/benchmark_cohort.py --ct lung1_image.nrrd --cases 8

The cases are synthetic, or one CT as often as it takes. In turns, ``covid-mtl cohort --jobs 2`` assesses all of them,
and two chains of single runs assess half of them each, at the same time. Both use two cores; prints cases per hour and
core of both, the ratio, above 1 where the cohort is faster, and the largest memory of a worker.
"""

import argparse
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import psutil
from cohort_runs import workers
from conftest import command
from made_up_cases import SIZE, write_cases

CORES = 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=8, help="an even number (default: %(default)s)")
    parser.add_argument(
        "--ct", type=Path, help="CT to assess in place of synthetic ones, with lungs found by the program"
    )
    parser.add_argument("--size", type=float, default=SIZE, help="of the synthetic patients, 1 for an adult")
    parser.add_argument("--model", default="features+labs")
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if options.ct:
            table = folder / "cases.csv"
            rows = [f"case {number},{options.ct.absolute()}" for number in range(options.cases)]
            table.write_text("\n".join(["case,ct", *rows]) + "\n")
            cases = [(options.ct.absolute(), None)] * options.cases
        else:
            table = write_cases(folder / "cts", options.cases, 0, size=options.size)
            cts = (folder / "cts" / f"{number:04d}" for number in range(options.cases))
            cases = [(Path(f"{ct}.nrrd"), Path(f"{ct}_lungs.nrrd")) for ct in cts]
        taken, memory = {"cohort": [], "single runs": []}, 0
        for number in range(options.repeats):
            taken["single runs"].append(single_runs(cases, folder / f"single {number}", options.model))
            seconds, most = cohort(table, folder / f"cohort {number}", options.model)
            taken["cohort"].append(seconds)
            memory = max(memory, most)
    for name, seconds in taken.items():
        print(f"{name}: {3600 * options.cases / median(seconds) / CORES:.1f} cases per hour and core")
    ratio = median(one / other for one, other in zip(taken["single runs"], taken["cohort"], strict=True))
    print(f"ratio {ratio:.2f}; largest memory of a worker {memory / 2**20:.0f} MiB")


def cohort(table, out, model):
    """Seconds of a cohort, and the largest resident memory of a worker in bytes, looked at twice a second."""
    began, most = time.perf_counter(), 0
    arguments = command("cohort", table, "--out", out, "--jobs", CORES, "--model", model, "--progress", "none")
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
        while run.poll() is None:
            try:
                most = max([most, *(one.memory_info().rss for one in workers(run))])
            except psutil.NoSuchProcess:
                continue
            try:
                run.wait(0.5)
            except subprocess.TimeoutExpired:
                continue
        seconds = time.perf_counter() - began
        assert run.returncode == 0
    return seconds, most


def single_runs(cases, out, model):
    """Seconds of two chains of single runs, each on a core."""
    began = time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": "1"}

    def chain(first):
        for number in range(first, len(cases), CORES):
            ct, lungs = cases[number]
            given = [] if lungs is None else ["--lungs", lungs]
            arguments = ["assess", ct, *given, "--out", out / str(number), "--model", model, "--progress", "none"]
            subprocess.run(command(*arguments), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    chains = [threading.Thread(target=chain, args=(first,)) for first in range(CORES)]
    for one in chains:
        one.start()
    for one in chains:
        one.join()
    assert len(list(out.glob("*/assessment.json"))) == len(cases)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
