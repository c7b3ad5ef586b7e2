"""Odd and bad tables of laboratory values, ages and names."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from COVIDMTLLib.patient.laboratory import LABORATORY

from .damage import damage

NAMES = [*list(LABORATORY)[:6], "ly", " LY ", "nonsense", "", "<b>", "x" * 300, "age", "name"]
VALUES = ["1.5", "", "nan", "inf", "-1", "1e400", "0", "1,5", "0x10", "१२", "9" * 5000, "<script>", "1.5 ", "null", "½"]


def _table(folder: Path, rng: np.random.Generator) -> Path:
    cells = [(str(rng.choice(NAMES)), str(rng.choice(VALUES))) for _ in range(int(rng.integers(0, 6)))]
    tall = "name,value\n" + "".join(f"{name},{value}\n" for name, value in cells)
    wide = ",".join(name for name, _ in cells) + "\n" + ",".join(value for _, value in cells) + "\n"
    plain = dict(cells)
    one, other = list(LABORATORY)[:2]
    depth = int(rng.choice([10, 900, 5000, 10**6]))
    texts = (
        ("labs.csv", tall),
        ("labs.csv", wide),
        ("labs.csv", tall.replace(",", ";")),
        ("labs.csv", '"' + tall),
        ("labs.csv", "name,value\n" + "LY,1\n" * 100_000),
        ("labs.csv", f"name,value\nLY,{'1' * 200_000}\n"),
        ("labs.csv", tall + "\0\0\0"),
        ("labs.CSV", tall.replace("\n", "\r")),
        ("labs.json", json.dumps(plain)),
        ("labs.json", json.dumps({one: {"value": 1, "unit": "furlong"}, other: [1]})),
        ("labs.json", f'{{"{one}": 1, "{one}": 2}}'),
        ("labs.json", f'{{"{one}": 1e999, "{other}": NaN}}'),
        ("labs.json", f'{{"{one}": {"9" * 5000}}}'),
        ("labs.json", "[" * depth + "]" * depth),
        ("labs.json", f'{{"{one}": ' * depth + "1" + "}" * depth),
        ("labs.json", rng.choice(["", "null", "1", '"LY"', "[]", "{}", "\ud800".encode("utf-8", "replace").decode()])),
        ("labs.json", json.dumps({"ly" + " " * number: 1 for number in range(2000)})),
        ("labs.json", '{"\\ud800": 1}'),
        ("labs.txt", tall),
        ("labs", tall),
    )
    name, text = texts[rng.integers(len(texts))]
    path = folder / name
    path.write_bytes(
        text.encode(str(rng.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"])), "replace")
    )
    return damage(path, rng) if rng.random() < 0.2 and text else path


def tables(stock, folder, out, rng):
    """With a CT that is none, so that a table that is read after all costs nothing."""
    (folder / "ct.nrrd").write_text("no CT")
    labs = _table(folder, rng)
    if rng.random() < 0.05:
        labs = folder / str(rng.choice(["missing.csv", ".", "x" * 300 + ".csv"]))
    return ["assess", str(folder / "ct.nrrd"), "--labs", str(labs), "--out", str(out)]


def ages(stock, folder, out, rng):
    """Of ages and sexes that cannot be, and some that can."""
    (folder / "ct.nrrd").write_text("no CT")
    age = str(
        rng.choice(["nan", "inf", "-1", "121", "", " ", "fifty", "1e3", "0x20", "٤٢", "60", "9" * 400, "\x1b[2J", "-0"])
    )
    sex = str(rng.choice(["m", "F", "x", "", "weiblich", "<script>", "male\n", "ſ", "0"]))
    return ["assess", str(folder / "ct.nrrd"), f"--age={age}", f"--sex={sex}", "--out", str(out)]


def names(stock, folder, out, rng):
    """Names of cases that a page, a terminal or a file may trip over."""
    choices = [
        "<script>alert(1)</script>",
        "a\nb\r\nc",
        "\x1b[31mred",
        "x" * 10_000,
        "\ud800",
        "\udcff",
        "日本語 😀",
        "",
    ]
    choices += ["{{ 7*7 }}", "'\"&<>", "\0"[:0], "‮left", "-name", "a\tb", "../../etc", "%s%n"]
    words = ["assess", str(stock.ct), "--lungs", str(stock.lungs), "--model", str(stock.model)]
    return [*words, f"--name={choices[rng.integers(len(choices))]}", "--out", str(out)]
