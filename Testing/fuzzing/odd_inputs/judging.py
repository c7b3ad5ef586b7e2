"""Running the command line on an odd input in this process, and finding fault with how it ended."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import SimpleITK as sitk
from COVIDMTLLib.cli import main, segment
from COVIDMTLLib.imaging.io.reader import read_ct, read_mask, read_study
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on
from COVIDMTLLib.processes import worker

from . import OddInput

LEAST_DICE = 0.85
"""Of each lung of a study, of which `classical` does not find what is dense."""

TROUBLE = ("Traceback", "should not have happened", "Error:", "Exception")


@dataclass(frozen=True)
class Ending:
    """How a run of the command line ended: its exit code, what it said, and what is wrong with that."""

    code: int | None
    said: str
    faults: list[str]


def in_place(job, *arguments, progress, **options):
    """What `cancellation.run_supervised` does, without a process for the job."""
    return worker.unpack(*worker.outcome(job, arguments, options, progress))


def run(odd: OddInput, folder: Path) -> Ending:
    """Run the command line on an input, in a folder that holds its files and is to hold nothing else in the end."""
    for name in ("tmp", "cwd"):
        (folder / name).mkdir()
    before, given = _files(folder), _hashes(odd, folder)
    said, answer = io.StringIO(), io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with _elsewhere(folder), contextlib.redirect_stderr(said), contextlib.redirect_stdout(answer):
        try:
            code = main.main(odd.arguments)
        except SystemExit as end:
            code = end.code or 0
        except BaseException:
            code = None
            said.write(traceback.format_exc())
    answer.flush()
    faults = _faults(odd, code, said.getvalue(), answer.buffer.getvalue(), before, _files(folder))
    if odd.right is not None and not faults:
        faults += _faults_of_study(odd, code)
    changed = sorted(path for path, digest in given.items() if _hash(path) != digest)
    faults += [f"a file that it was given is another one: {changed[0]}"] if changed else []
    return Ending(code, said.getvalue(), faults)


@contextlib.contextmanager
def _elsewhere(folder: Path) -> Iterator[None]:
    """With jobs in this process, temporary files in the folder, and what libraries of C print in nobody's way."""
    null = os.open(os.devnull, os.O_RDWR)
    streams = [os.dup(number) for number in range(3)]
    here = os.getcwd()
    try:
        os.chdir(folder / "cwd")
        for number in range(3):
            os.dup2(null, number)
        with (
            mock.patch.object(main, "run_supervised", in_place),
            mock.patch.object(segment, "run_supervised", in_place),
            mock.patch.object(tempfile, "tempdir", str(folder / "tmp")),
            mock.patch.dict(os.environ, TMPDIR=str(folder / "tmp")),
        ):
            yield
    finally:
        os.chdir(here)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        os.close(null)


def _files(folder: Path) -> dict[str, tuple[int, int]]:
    """What a folder holds, with sizes and times of change."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            stat = os.lstat(os.path.join(place, name))
            file = name in files
            found[os.path.relpath(os.path.join(place, name), folder)] = (
                file and stat.st_size,
                file and stat.st_mtime_ns,
            )
    return found


def _hashes(odd: OddInput, folder: Path) -> dict[str, str | None]:
    """Of all files that a command is given, by words or in folders: what they hold, and None where there is none.

    That it may write where its results are to be is no fault, unless it is given the same place to read from.
    """
    words = list(odd.arguments)
    for at, word in enumerate(odd.arguments):
        if word in ("--out", "--measures"):
            words[at + 1 : at + 2] = [""]
    found = {}
    for place in (str(folder / "in"), *filter(None, words)):
        place = os.path.join(folder / "cwd", place)
        try:
            inside = [os.path.join(top, name) for top, _, names in os.walk(place) for name in names]
            found |= {path: _hash(path) for path in (place, *inside)}
        except ValueError:  # a word with a null is no path
            continue
    return found


def _hash(path: str) -> str | None:
    """What a file holds, as a hash; None for what is no file, or cannot be read."""
    if not os.path.isfile(path):
        return None
    with contextlib.suppress(PermissionError), open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def _faults(odd, code, said, answer, before, after) -> list[str]:
    faults = [f"it says {text!r}" for text in TROUBLE if text in said]
    if code not in (0, 2):
        faults.append(f"exit code {code}")
    new = sorted(set(after) - set(before))
    out = os.path.relpath(_option(odd.arguments, "--out") or odd.out, odd.out.parent)
    lost = sorted(name for name in before if after.get(name) != before[name] and name != out)
    faults += [f"an input was changed: {lost[0]}"] if lost else []
    faults += [f"left behind: {name}" for name in new if name.startswith(("tmp", "cwd/."))][:1]
    if code == 2:
        faults += [f"left of what failed: {name}" for name in new][:1]
        faults += _faults_of_sentence(said)
    elif code == 0:
        faults += _faults_of_results(odd, said, answer)
    return faults


def _faults_of_sentence(said: str) -> list[str]:
    lines = [line for line in said.splitlines() if not re.match(r" *\d+ % ", line)]
    if lines and lines[0].startswith("usage: "):  # argparse, with its own last line
        return [] if ": error: " in said else ["usage without an error"]
    if len(lines) != 1 or not lines[0].startswith("covid-mtl: ") or not lines[0].endswith("."):
        return [f"not one sentence but {len(lines)} lines: {lines[-1:]}"]
    return ["controls in the sentence"] if not lines[0].isprintable() else []


def _faults_of_results(odd: OddInput, said: str, answer: bytes) -> list[str]:
    words = odd.arguments
    if {"--help", "--version"} & set(words):
        return []
    try:
        if words[0] == "compare-masks" or "--json" in words:
            json.loads(answer, parse_constant=_no_number)
        if words[0] in ("segment", "assess"):
            ct = read_ct(words[1], _option(words, "--series"))
            out = Path(_option(words, "--out"))
            mask = out / "lungs.nrrd" if words[0] == "assess" else out
            _check_place(read_mask(mask).geometry, ct.geometry, _option(words, "--grid"))
            if words[0] == "assess":
                json.loads((out / "assessment.json").read_text(encoding="utf-8"), parse_constant=_no_number)
                page = (out / "report.html").read_text(encoding="utf-8")
                assert "<script" not in page and page.rstrip().endswith("</html>"), (
                    "the report runs a script, or ends early"
                )
        if words[0] == "features":
            rows = Path(_option(words, "--out")).read_text().splitlines()
            values = np.array(rows[1].split(","), float)
            assert len(rows) == 2 and len(values) == 375 and np.isfinite(values).all(), "features are not finite"
    except Exception as error:
        return [f"results are no good: {type(error).__name__}: {error}"]
    return []


def _faults_of_study(odd: OddInput, code: int) -> list[str]:
    """What is read of a study has to be right, voxel by voxel and in its place, and the lungs on their sides."""
    right = odd.right
    if code == 2:
        return [] if right.sentence else ["it is refused, and should be read"]
    words = odd.arguments
    study = read_study(words[1], _option(words, "--series"))
    if not any(_same(one, study.ct) for one in right.volumes):
        return [f"{'a wrong volume is' if right.volumes else 'no volume should be'} read: {study.series}"]
    covered = labels_on(study.ct.with_array(np.ones(study.ct.array.shape, np.uint8)), right.lungs.geometry).array > 0
    found = labels_on(read_mask(_option(words, "--out")), right.lungs.geometry).array
    dice = [_dice(found == side, (right.lungs.array == side) & covered) for side in (1, 2)]
    return [f"the lungs are elsewhere: Dice {dice}"] if min(dice) < LEAST_DICE else []


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & other) / max(np.count_nonzero(one) + np.count_nonzero(other), 1)


def _same(one: Volume, other: Volume) -> bool:
    first, second = (sitk.DICOMOrient(volume.to_image(), "LPS") for volume in (one, other))
    return (
        first.GetSize() == second.GetSize()
        and all(
            np.allclose(getattr(first, part)(), getattr(second, part)(), rtol=1e-4, atol=1e-3)
            for part in ("GetSpacing", "GetOrigin", "GetDirection")
        )
        and np.array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))
    )


def _check_place(mask: Geometry, ct: Geometry, grid: str | None) -> None:
    if grid != "working":
        assert mask.size == ct.size, f"{mask.size} is not {ct.size}"
        for part in ("spacing", "origin", "direction"):
            assert np.allclose(getattr(mask, part), getattr(ct, part), rtol=1e-4, atol=1e-3), f"the {part} is another"


def _no_number(text: str) -> None:
    raise ValueError(f"{text} in JSON")


def _option(words: list[str], name: str) -> str | None:
    for at, word in enumerate(words):
        if word == name and at + 1 < len(words):
            return words[at + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return None


def quiet() -> None:
    """Keep ITK from warning of every damaged file."""
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
