"""How many cores there are to work with."""

from __future__ import annotations

import os


def cores() -> int:
    """How many cores may be used: as OMP_NUM_THREADS says, or else all that this process may run on."""
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        return max(1, int(os.environ["OMP_NUM_THREADS"]))
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
