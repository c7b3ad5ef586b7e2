"""A table of small synthetic chest CTs with their lungs, quick to assess, and of cases that cannot be assessed."""

import csv
import os
import signal
from pathlib import Path

import numpy as np
from COVIDMTLLib.imaging.io.writer import write_volume
from COVIDMTLLib.phantom import thorax

SPACING, SIZE = (1.6, 1.6, 2.0), 0.3
"""Of the synthetic patients; smaller ones have no lungs any more."""


def write_cases(folder: Path, good: int, broken: int, seed: int = 0, size: float = SIZE) -> Path:
    """Write CTs and the table of them; the names of those that cannot be assessed begin with ``broken``.

    They lie among the others at random, and are broken in several ways, each in turn.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(good):
        opacity = dict(zip(("ground_glass", "consolidation"), rng.uniform((0, 0), (0.3, 0.1)), strict=True))
        phantom = thorax(seed + number, **opacity, spacing=SPACING, size=size)
        ct, lungs = f"{number:04d}.nrrd", f"{number:04d}_lungs.nrrd"
        write_volume(phantom.ct, folder / ct)
        write_volume(phantom.lungs, folder / lungs)
        rows.append({"case": f"patient {number:04d}", "ct": ct, "lungs": lungs, "age": int(rng.integers(20, 90))})
    phantom = thorax(seed, spacing=SPACING, size=size)
    write_volume(phantom.ct, folder / "whole.nrrd")
    write_volume(phantom.lungs, folder / "mask.nrrd")
    for number in range(broken):
        row = _broken(folder, number, phantom) | {"case": f"broken {number:04d}"}
        rows.insert(int(rng.integers(len(rows) + 1)), row)
    table = folder / "cases.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["case", "ct", "lungs", "age"], restval="")
        writer.writeheader()
        writer.writerows(rows)
    return table


def _broken(folder: Path, number: int, phantom) -> dict[str, str]:
    """The columns ``ct`` and ``lungs`` of a case that is broken in one way of five."""
    path = folder / f"broken{number:04d}.nrrd"
    way = number % 5
    if way == 0:
        path.write_text("This is no image.")
    elif way == 1:
        return {"ct": "mask.nrrd"}
    elif way == 2:
        return {"ct": "nowhere.nrrd"}
    elif way == 3:
        content = (folder / "whole.nrrd").read_bytes()
        path.write_bytes(content[: len(content) // 2])
    else:
        write_volume(phantom.lungs.with_array(np.zeros_like(phantom.lungs.array)), path)
        return {"ct": "whole.nrrd", "lungs": path.name}
    return {"ct": path.name}


def die(*arguments, **options):
    """What becomes of a case for which there is not enough memory."""
    os.kill(os.getpid(), signal.SIGKILL)
