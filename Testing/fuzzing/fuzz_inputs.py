"""Throw odd and bad inputs at the command line: `fuzz_inputs.py [--studies] [--inputs N] [--seed S] [--jobs J]`.

Every outcome has to be a right answer, with its files whole, or exit code 2 with one sentence and nothing left behind;
no file that was given may hold anything else afterwards, and none may take longer than a minute, end the process, or
keep memory. With `--studies` they are studies of many series, copies, gaps and transfer syntaxes around a known CT,
which has to be what is read, voxel by voxel, unless something is wrong with it. `--only INDEX` runs one input and says
how it ended. Prints what came of each kind, each fault with the index that brings it back, and the growth of memory.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections import Counter
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

sys.path[:0] = [str(Path(__file__).parents[1])]

from fuzzing.odd_inputs import make_odd_input, make_odd_study, make_stock  # noqa: E402
from fuzzing.odd_inputs.judging import Ending, quiet, run  # noqa: E402

LONGEST = 60.0
"""Seconds that an input may take."""

EVERY = 100
"""Inputs of a worker between two looks at its memory."""

WARM_UP = 300
"""Inputs of a worker until all libraries are loaded and have what they keep."""


def one(seed: int, index: int, stock_folder: Path, studies: bool) -> tuple[str, list[str], Ending]:
    """Make an input and run it; its kind, its words and how it ended."""
    stock = make_stock(stock_folder)
    folder = Path(tempfile.mkdtemp(dir=stock_folder.parent))
    try:
        odd = (make_odd_study if studies else make_odd_input)(seed, index, stock, folder)
        return odd.kind, odd.arguments, run(odd, folder)
    finally:
        shutil.rmtree(folder)


def work(connection: Connection, seed: int, stock_folder: Path, studies: bool) -> None:
    """Run inputs, by their numbers, until there are no more; tells its memory in MiB with each."""
    quiet()
    process = psutil.Process()
    while (index := connection.recv()) is not None:
        try:
            connection.send((*one(seed, index, stock_folder, studies), process.memory_info().rss / 2**20))
        except Exception as error:  # of these tests themselves
            connection.send(("the tests", [], Ending(None, "", [f"{type(error).__name__}: {error}"]), 0.0))


class Worker:
    """A process that works, what it is at and since when, and its memory as it went."""

    def __init__(self, *arguments):
        self.arguments = arguments
        self.memory: list[float] = []
        self.start()

    def start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *self.arguments), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, index: int) -> None:
        self.index, self.since = index, time.monotonic()
        self.connection.send(index)

    def end(self) -> int | None:
        """End the process; returns the exit code that it had ended with by itself, if it had."""
        self.process.join(1)
        code = self.process.exitcode
        self.process.kill()
        self.process.join()
        return code


def fuzz(
    seed: int, indices: range, jobs: int, stock_folder: Path, studies: bool
) -> tuple[Counter, list[tuple], list[Worker]]:
    """Run all inputs: how often each kind ended how, the faults, and the workers with their memory."""
    make_stock(stock_folder)
    left = iter(indices)
    counts, faults = Counter(), []
    workers = [Worker(seed, stock_folder, studies) for _ in range(min(jobs, len(indices)))]
    busy = {worker.connection: worker for worker in workers}
    for worker in workers:
        worker.give(next(left))
    while busy:
        for connection in wait(list(busy), 1.0):
            worker = busy.pop(connection)
            try:
                kind, words, ending, memory = connection.recv()
                worker.memory.append(memory)
            except (EOFError, ConnectionResetError):
                kind, words, ending = "unknown", [], Ending(None, "", [f"it died with exit code {worker.end()}"])
                worker.start()
            _count(counts, faults, worker, kind, words, ending)
            _next(worker, left, busy)
        for connection, worker in list(busy.items()):
            if time.monotonic() - worker.since > LONGEST:
                busy.pop(connection)
                worker.end()
                worker.start()
                _count(counts, faults, worker, "unknown", [], Ending(None, "", [f"longer than {LONGEST:.0f} s"]))
                _next(worker, left, busy)
    for worker in workers:
        worker.connection.send(None)
        worker.process.join()
    return counts, faults, workers


def _next(worker, left, busy) -> None:
    index = next(left, None)
    if index is not None:
        worker.give(index)
        busy[worker.connection] = worker


def _count(counts, faults, worker, kind, words, ending) -> None:
    outcome = "answered" if ending.code == 0 else "refused" if ending.code == 2 else "failed"
    counts[kind, outcome] += 1
    counts[kind, "seconds"] += time.monotonic() - worker.since
    if ending.faults:
        faults.append((worker.index, kind, ending.faults, words))
        print(
            f"{worker.index} {kind}: {'; '.join(ending.faults)}"[:400].encode("ascii", "replace").decode(), flush=True
        )


def report(counts: Counter, faults: list[tuple], workers: list[Worker], seconds: float) -> None:
    """Print what came of it."""
    outcomes = ("answered", "refused", "failed")
    print(f"{'kind':<26}" + "".join(f"{name:>10}" for name in (*outcomes, "seconds")))
    for kind in [*sorted({kind for kind, _ in counts})]:
        print(f"{kind:<26}" + "".join(f"{counts[kind, name]:10.0f}" for name in (*outcomes, "seconds")))
    total = {name: sum(count for (_, one), count in counts.items() if one == name) for name in outcomes}
    said = ", ".join(f"{count} {name}" for name, count in total.items())
    print(f"{sum(total.values())} inputs in {seconds:.0f} s: {said}; {len(faults)} with faults")
    for number, worker in enumerate(workers, 1):
        looks = worker.memory[EVERY - 1 :: EVERY]
        print(f"Memory of worker {number}, MiB every {EVERY} inputs: {' '.join(f'{mib:.0f}' for mib in looks)}")
        if len(worker.memory) > WARM_UP + 2 * EVERY:
            first, last = (sum(part) / EVERY for part in (worker.memory[WARM_UP:][:EVERY], worker.memory[-EVERY:]))
            print(f"  growth after the first {WARM_UP}: {last - first:+.0f} MiB, means of {EVERY} inputs")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", action="store_true", help="make studies of many series")
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="index of the first input")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, metavar="INDEX", help="run this one and say how it ended")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        stock_folder = Path(folder) / "stock"
        if options.only is not None:
            kind, words, ending = one(options.seed, options.only, stock_folder, options.studies)
            print(ascii(words), kind, f"exit code {ending.code}", ending.said, *ending.faults, sep="\n")
            return bool(ending.faults)
        began = time.monotonic()
        indices = range(options.first, options.first + options.inputs)
        counts, faults, workers = fuzz(options.seed, indices, options.jobs, stock_folder, options.studies)
        report(counts, faults, workers, time.monotonic() - began)
        return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
