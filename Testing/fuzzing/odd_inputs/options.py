"""Odd and bad options and places for results, of inputs that are good."""

from __future__ import annotations

import os

from .cts import use

NUMBERS = ["nan", "inf", "-inf", "1e400", "-1", "0", "0.1", "1e-320", "5", "x", "", "9" * 400]

ODD_NAMES = (
    "mit Blank",
    "größe",
    "日本語",
    "😀",
    "-dash",
    "quote'\"",
    "back\\slash",
    "new\nline",
    "tab\t",
    "{brace}",
    "%s",
)
ODD_NAMES += (
    "x" * 150,
    ".hidden",
    "a;b|c&d",
    "$HOME",
    "~",
    "dot.",
    "co:lon",
    "\udcff\udcfe",
    "\x1b[31m",
    " ",
    "e\u0301",
)


def outs(stock, folder, out, rng):
    """Places that cannot be written to, and some that can."""
    (folder / "file").write_text("in the way")
    os.mkfifo(folder / "pipe.nrrd")
    os.symlink("loop.nrrd", folder / "loop.nrrd")
    os.symlink("/nowhere/lungs.nrrd", folder / "dangling.nrrd")
    places = [
        folder / "file" / "lungs.nrrd",
        folder / "missing" / "lungs.nrrd",
        folder / "pipe.nrrd",
        folder / "loop.nrrd",
        folder / "dangling.nrrd",
        folder,
        out / ("x" * 300 + ".nrrd"),
        out / "lungs.txt",
        out / "lungs",
        out / ".nrrd",
        out / "lungs.mhd",
        "/proc/lungs.nrrd",
        "/sys/lungs.nrrd",
        "/dev/full",
        "/dev/null",
        "/",
        ".",
        "",
        out / "LUNGS.NRRD",
        out / "lungs.nii",
        stock.ct,
    ]
    place = str(places[rng.integers(len(places))])
    what = rng.integers(4)
    if what == 0 and place not in (".", "", "/") and "lungs." not in place:
        return ["assess", str(stock.ct), "--lungs", str(stock.lungs), "--model", str(stock.model), "--out", place]
    if what == 1 and not place.startswith("/dev"):
        return ["features", str(stock.ct), str(stock.lungs), f"--out={place}"]
    return ["segment", str(stock.ct), "--method", "classical", f"--out={place}"]


def paths(stock, folder, out, rng):
    """Good inputs in folders and under names of every kind; the results, too."""
    here = folder / ODD_NAMES[rng.integers(len(ODD_NAMES))]
    here.mkdir()
    ct = here / f"{ODD_NAMES[rng.integers(len(ODD_NAMES))]}.nrrd"
    ct.write_bytes(stock.ct.read_bytes())
    target = out / ODD_NAMES[rng.integers(len(ODD_NAMES))]
    target.mkdir()
    return use(ct, stock, target, rng)


def segmentation(stock, folder, out, rng):
    """Parameters of methods."""
    words = ["segment", str(stock.ct), "--out", str(out / "lungs.nrrd")]
    words += [
        "--method",
        str(rng.choice(["classical", "active-contour", "robust", "magic", ""], p=[0.5, 0.2, 0.1, 0.1, 0.1])),
    ]
    for name in rng.choice(
        ["threshold", "alpha", "beta", "iterations", "closing"], int(rng.integers(0, 3)), replace=False
    ):
        words.append(f"--{name}={rng.choice(NUMBERS)}")
    if rng.random() < 0.4:
        words += ["--through", *map(str, rng.choice(["0", "nan", "inf", "1e300", "9000", "x", "5"], 3))]
    if rng.random() < 0.2:
        words += ["--measures", str(out / str(rng.choice(["m.json", "lungs.nrrd", "no/m.json"])))]
    if rng.random() < 0.2:
        words.append("--airways")
    if rng.random() < 0.2:
        words += ["--grid", str(rng.choice(["ct", "working", "none"]))]
    return words


def assessment(stock, folder, out, rng):
    """Models, devices and refinements that are not there."""
    words = ["assess", str(stock.ct), "--lungs", str(stock.lungs), "--out", str(out)]
    odd = [
        "",
        "nonsense",
        "/dev/zero",
        ".",
        str(stock.ct),
        "x" * 5000,
        "cuda:99",
        "cuda:-1",
        "cuda:x",
        "cpu:7",
        "mps",
        "\x1b[2J",
    ]
    name = str(rng.choice(["model", "device", "refine", "grid", "progress"]))
    words += [f"--{name}={rng.choice(odd)}"]
    return words + (["--model", str(stock.model)] * int(rng.integers(1, 3)) if name != "model" else [])


def demo(stock, folder, out, rng):
    """Synthetic patients who cannot be."""
    words = ["demo", "--out", str(out), f"--seed={rng.choice(['-1', '1e9', 'x', str(10**30), '0'])}"]
    words.append(f"--ground-glass={rng.choice(['nan', '-0.1', '0.6', 'inf', 'x'])}")
    return words + (["--model", "nonsense"] if rng.random() < 0.5 else [])


def words(stock, folder, out, rng):
    """Words in any order."""
    known = [
        "assess",
        "segment",
        "features",
        "compare-masks",
        "demo",
        "model",
        "show",
        "check",
        "import",
        "list",
        "--out",
    ]
    known += ["--json", "--help", "--version", "-x", "--", "", "\x1b", "ä", "--lungs", str(stock.lungs), "\ud800"]
    return [str(one) for one in rng.choice(known, int(rng.integers(0, 5)))]
