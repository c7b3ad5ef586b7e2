"""Odd and bad models."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import pickle
import struct
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from COVIDMTLLib.models.archive import CARD, WEIGHTS
from safetensors.torch import save

from .damage import damage
from .stock import features_model

ODD = (None, True, 0, -1, 1.5, float("nan"), float("inf"), 10**400, "", "x" * 5000, "\x1b[2J", "\ud800", [], {}, [[]])
ODD += ({"a": 1}, [1, [2]], "../../x", "/somewhere/x", 2**63, [None] * 375, [float("nan")] * 375)


@cache
def _model() -> tuple[dict, dict]:
    return features_model()


def _write(folder: Path, card: Any, weights: bytes, right_hash: bool = True) -> Path:
    folder.mkdir()
    if right_hash and isinstance(card, dict):
        card = card | {"weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()}}
    (folder / CARD).write_text(card if isinstance(card, str) else json.dumps(card))
    (folder / WEIGHTS).write_bytes(weights)
    return folder


def _command(model: Path, stock, out, rng) -> list[str]:
    kinds = [
        ["model", "show", str(model)],
        ["model", "show", str(model), "--json"],
        ["model", "check", str(model)],
    ]
    return kinds[rng.integers(3)]


def cards(stock, folder, out, rng):
    """One value anywhere in a card replaced."""
    if rng.random() < 0.5:
        card, weights = copy.deepcopy(_model()[0]), save(_model()[1])
    else:
        card, weights = json.loads((stock.model / CARD).read_text()), (stock.model / WEIGHTS).read_bytes()
    place = card
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(place[key], (dict, list)) or not place[key] or rng.random() < 0.3:
            break
        place = place[key]
    what = rng.random()
    if what < 0.15:
        del place[key]
    elif what < 0.25 and isinstance(place, dict):
        place["unknown"] = place.pop(key)
    else:
        place[key] = ODD[rng.integers(len(ODD))]
    model = _write(folder / "model", card, weights, right_hash=card.get("weights") is not None and rng.random() < 0.9)
    return _command(model, stock, out, rng)


def assessed(stock, folder, out, rng):
    """A card with odd things that no network is built of, which the report shows."""
    card, weights = json.loads((stock.model / CARD).read_text()), (stock.model / WEIGHTS).read_bytes()
    key = str(
        rng.choice(["title", "intended_use", "version", "name", "metrics", "cross_validation", "provenance", "license"])
    )
    odd = [*ODD, {"cases": 3}, {"cases": "<script>", "covid_ct": 1, "severity": {}}, "<script>alert(1)</script>"]
    odd += [{"cases": 3, "covid_ct": {"auc": None, "accuracy": "x"}}, {"auc": {"covid_ct": {"mean": "x"}}}]
    card[key] = odd[rng.integers(len(odd))]
    if rng.random() < 0.3:
        task = str(rng.choice(["../../x", "a/b", "con", "", "x" * 300, "\x1b[2J", "ä ö", "<b>", ".", "covid_ct"]))
        for tasks in (card["tasks"], card["network"]["tasks"]):
            tasks[1]["name"] = task
    model = _write(folder / "model", card, weights)
    return ["assess", str(stock.ct), "--lungs", str(stock.lungs), "--model", str(model), "--out", str(out)]


def texts(stock, folder, out, rng):
    """A card that is no card."""
    depth = int(rng.choice([300, 900, 5000, 10**6]))
    card, _ = _model()
    nested: Any = 1
    for _ in range(depth if depth < 1000 else 10):
        nested = [nested]
    kinds = ("", "[]", "null", "{", "[" * depth, '{"a":' * depth, "NaN", '{"format": "covid-mtl-model"}', "\ufeff{}")
    text = rng.choice([*kinds, ""])
    if rng.random() < 0.4 and depth < 1000:
        text = json.dumps(card)[:-1] + ', "provenance": ' + "[" * depth + "]" * depth + "}"
    model = _write(folder / "model", str(text), save(_model()[1]), False)
    if rng.random() < 0.3:
        (model / CARD).write_bytes(json.dumps(card).encode("utf-16"))
    return _command(model, stock, out, rng)


def weights(stock, folder, out, rng):
    """Weights that are damaged, lie about themselves, or are no numbers; with the hash that they have."""
    card, state = _model()
    first = next(iter(state))
    content = save(state)
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])
    lie = copy.deepcopy(header)
    lies = (
        {"data_offsets": [0, 10**12]},
        {"data_offsets": [-1, 4]},
        {"data_offsets": [8, 4]},
        {"shape": [10**9, 10**9]},
        {"shape": []},
        {"shape": [-1]},
        {"dtype": "F999"},
        {"dtype": "F8_E4M3"},
        {"dtype": "I64"},
    )
    lie[first] |= lies[rng.integers(len(lies))]
    told = json.dumps(lie).encode()
    kinds = (
        lambda: struct.pack("<Q", len(told)) + told + content[8 + length :],
        lambda: struct.pack("<Q", int(rng.choice([0, 1, 2**63, 2**40, 100_000_000]))) + content[8:],
        lambda: content[: int(rng.integers(0, len(content)))],
        lambda: save(state | {first: torch.full_like(state[first], float(rng.choice([np.nan, np.inf, 3e38])))}),
        lambda: save({name: tensor.to(torch.bfloat16) for name, tensor in state.items()}),
        lambda: save({name: tensor for name, tensor in state.items() if name != first}),
        lambda: save(state | {"more\x1b[2J": torch.zeros(3)}),
        lambda: save(state | {first: torch.zeros(0)}),
        lambda: pickle.dumps({"a": 1}),
        lambda: b"PK\x03\x04" + rng.bytes(100),
        lambda: b"",
        lambda: rng.bytes(1000),
        lambda: struct.pack("<Q", 10**5) + b"[" * 10**5,
    )
    made = kinds[rng.integers(len(kinds))]()
    model = _write(folder / "model", card, made, bool(rng.random() < 0.9))
    if rng.random() < 0.1:
        (model / WEIGHTS).unlink()
        (os.mkfifo if rng.random() < 0.5 else Path.mkdir)(model / WEIGHTS)
    return _command(model, stock, out, rng)


def zips(stock, folder, out, rng):
    """Zips that are damaged, hold other things than a model, or too much of it."""
    card, state = _model()
    content = save(state)
    told = json.dumps(card | {"weights": {"file": WEIGHTS, "sha256": hashlib.sha256(content).hexdigest()}})
    whole = [(CARD, told), (WEIGHTS, content)]
    kinds = (
        whole,
        [(f"top/{name}", text) for name, text in whole],
        [(f"../{name}", text) for name, text in whole],
        [(f"/etc/{name}", text) for name, text in whole],
        [*whole, ("../../evil", "x")],
        [*whole, ("C:\\evil", "x")],
        [(CARD, told)],
        [(CARD, "{"), whole[1]],
        [*whole, *((f"{number}", "") for number in range(1100))],
        [(CARD, " " * (70 * 2**20)), whole[1]],
        [*whole, ("bomb", bytes(100 * 2**20))],
        [(f"a/{CARD}", told), (f"b/{CARD}", told)],
        [(f"a/b/c/{CARD}", told)],
        [],
        [("\x1b[2J" + CARD, told)],
    )
    path = folder / str(rng.choice(["model.zip", "model", "model.safetensors"]))
    with zipfile.ZipFile(
        path, "w", rng.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED, zipfile.ZIP_LZMA])
    ) as archive:
        for name, text in kinds[rng.integers(len(kinds))]:
            archive.writestr(name, text)
    if rng.random() < 0.3:
        damage(path, rng)
    return _command(path, stock, out, rng)
