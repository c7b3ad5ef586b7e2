"""Kill a cohort at random moments, go on with it, and compare it with an undisturbed run.

    python Testing/fuzzing/soak_cohort.py --out DIR --good 190 --broken 10 --kills 3 --seed 0
    python Testing/fuzzing/soak_cohort.py --out DIR --cluster

Makes synthetic cases, some of them broken, and assesses them once undisturbed with ``--jobs 2``. Then it does so again,
with ``--jobs 2`` or, with ``--cluster``, on a local Dask cluster of separate processes, and kills the whole run or a
single worker, in turns, each time when a number of cases drawn at random has come to an end and a while drawn at random
has passed. Prints what held, and exits with 1 if something did not: all good cases have the rows of the undisturbed
run, byte for byte, and all broken ones a reason; nothing that was done was done again; no file is there that should
not be.
"""

import argparse
import os
import random
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1])]

from support.cohort_runs import failures, said, start, stray, until, workers  # noqa: E402
from support.data.made_up_cases import SIZE, write_cases  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder; kept for the next time: cts and undisturbed")
    parser.add_argument("--good", type=int, default=190)
    parser.add_argument("--broken", type=int, default=10)
    parser.add_argument("--size", type=float, default=SIZE, help="of the synthetic patients, 1 for an adult")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="of the moments (default: %(default)s)")
    parser.add_argument("--cluster", action="store_true", help="a local Dask cluster in place of --jobs 2")
    options = parser.parse_args()
    table = options.out / "cts" / "cases.csv"
    if not table.is_file():
        write_cases(table.parent, options.good, options.broken, size=options.size)
    undisturbed = options.out / "undisturbed"
    if not (undisturbed / "cohort.csv").is_file():
        began = time.monotonic()
        assert start(table, undisturbed, "--jobs", 2).wait() == 0, said(undisturbed)
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)

    out = options.out / ("cluster" if options.cluster else "jobs")
    shutil.rmtree(out, ignore_errors=True)
    Path(f"{out}.log").unlink(missing_ok=True)
    rng = random.Random(options.seed)
    total = options.good + options.broken
    moments = sorted(rng.randrange(1, max(2, total - 8)) for _ in range(options.kills))
    with cluster(options.cluster) as (how, kill_worker):
        changes = disturbed(table, out, how, moments, rng, kill_worker)

    rows, expected = ((one / "cohort.csv").read_bytes() for one in (out, undisturbed))
    failed = failures(out)
    held = {
        f"{options.good} rows as of the undisturbed run, byte for byte": rows == expected,
        f"{options.broken} named failures": len(failed) == options.broken
        and all(name.startswith("broken") and reason for name, reason in failed.items()),
        "no stray file": not stray(out),
        "nothing assessed twice": not changes,
    }
    for what, so in held.items():
        print(f"{'held' if so else 'DID NOT HOLD'}: {what}")
    if not all(held.values()):
        print(*stray(out), *changes, sep="\n")
        sys.exit(1)


def disturbed(table, out, how, moments, rng, kill_worker):
    """Run to the end, killed at each moment; the cases that were assessed again though they had been before."""
    known = {}
    run = start(table, out, *how)
    for number, moment in enumerate(moments):
        until(lambda moment=moment: ended(out) >= moment, run, seconds=24 * 3600)
        time.sleep(rng.uniform(0, 2))
        known |= {path: path.stat().st_mtime_ns for path in out.glob("cases/*/assessment.json") if path not in known}
        whole = number % 2 == 0
        if whole:
            run.send_signal(signal.SIGKILL)
            run.wait()
        else:
            kill_worker(run, rng)
        print(f"killed {'the whole run' if whole else 'a worker'} after {ended(out)} cases", flush=True)
        if whole:
            run = start(table, out, *how)
    assert run.wait() == 0, said(out)
    return [f"{path} was made again" for path, made in known.items() if path.stat().st_mtime_ns != made]


def ended(out):
    """How many cases have come to an end."""
    return sum(not path.name.startswith(".") for path in out.glob("cases/*"))


@contextmanager
def cluster(wanted):
    """Options that say where to run, and a function that kills a worker there."""
    if not wanted:
        yield ("--jobs", 2), kill_local
        return
    from distributed import LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    with LocalCluster(**options) as local, local.get_client() as client:

        def kill(run, rng):
            os.kill(rng.choice(sorted(client.run(os.getpid).values())), signal.SIGKILL)

        yield ("--scheduler", local.scheduler_address), kill


def kill_local(run, rng):
    until(lambda: workers(run), run)
    rng.choice(workers(run)).kill()


if __name__ == "__main__":
    main()
