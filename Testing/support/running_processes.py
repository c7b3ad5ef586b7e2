"""Which processes are still there."""

import contextlib

import psutil


def still_running(processes):
    """Those of some processes that have not ended, also not since they were last asked.

    A zombie has ended, and waits for a parent that may be none that cares.
    """
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running
