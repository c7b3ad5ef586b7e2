"""Throughput per core of a cohort on two workers, against two single runs of ``covid-mtl assess`` side by side.

    python Testing/benchmarks/benchmark_cohort.py --cases 8 --size 0.6
    python Testing/benchmarks/benchmark_cohort.py --ct lung1_image.nrrd --cases 8

The cases are synthetic, or one CT as often as it takes. In turns, ``covid-mtl cohort --jobs 2`` assesses all of them,
and two chains of single runs assess half of them each, at the same time. Both use two cores. Prints cases per hour and
core of both and the processor time of a case, their ratios, above 1 where the cohort does better, and the largest
memory of a worker. On a machine that is busy with other work the processor time is what can be trusted.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

import psutil

sys.path[:0] = [str(Path(__file__).parents[1])]

from conftest import command  # noqa: E402
from support.cohort_runs import workers  # noqa: E402
from support.data.made_up_cases import SIZE, write_cases  # noqa: E402

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
        ways = {"single runs": lambda out: single_runs(cases, out, options.model)}
        ways |= {"cohort": lambda out: cohort(table, out, options.model)}
        taken, memory = {name: [] for name in ways}, 0
        for number in range(options.repeats):
            for name, way in ways.items():
                began, used = time.perf_counter(), processor_time()
                memory = max(memory, way(folder / f"{name} {number}") or 0)
                taken[name].append((time.perf_counter() - began, processor_time() - used))
    for name, times in taken.items():
        seconds, used = (median(one) for one in zip(*times, strict=True))
        rate = 3600 * options.cases / seconds / CORES
        print(f"{name}: {rate:.1f} cases per hour and core, {used / options.cases:.1f} s of processor time a case")
    pairs = list(zip(taken["single runs"], taken["cohort"], strict=True))
    wall, used = (median(single[kind] / whole[kind] for single, whole in pairs) for kind in range(2))
    print(
        f"ratio {wall:.2f} by the clock, {used:.2f} by processor time; a worker takes {memory / 2**20:.0f} MiB at most"
    )


def processor_time():
    """Seconds of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cohort(table, out, model):
    """Assess a cohort; the largest resident memory of a worker in bytes, looked at twice a second."""
    most = 0
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
        assert run.returncode == 0
    return most


def single_runs(cases, out, model):
    """Assess the cases in two chains of single runs, each on a core."""
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


if __name__ == "__main__":
    main()
