"""What the command line shows while it works and when it is done."""

from __future__ import annotations

import io
import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from ..opacities import in_words as opacities_in_words
from ..prediction import likelihood_ratio
from ..prediction.verdicts import in_words as verdict_in_words
from ..utils.optional_imports import require
from ..utils.progress import Callback, silent


@contextmanager
def progress(kind: str) -> Iterator[Callback]:
    """A callback that shows progress: ``bar``, ``json`` or ``none``.

    ``json`` prints a line ``{"step": ..., "fraction": ..., "text": ...}`` on standard output for each
    piece of news, the last one with the step ``done``; ``bar`` draws on standard error, line by line
    where that is no terminal.
    """
    if kind == "json":
        with _output_alone() as stream:
            yield lambda *news: _tell(stream, dict(zip(("step", "fraction", "text"), news, strict=True)))
    elif kind == "none":
        yield silent
    elif sys.stderr.isatty():
        yield from _bar()
    else:
        yield _lines()


def tell_error(kind: str, text: str) -> None:
    """Print the line of JSON that ends the progress of a job that failed: ``input`` or ``failure``, and a sentence."""
    with suppress(OSError):  # nobody may be there any more to be told
        _tell(sys.stdout, {"step": "error", "kind": kind, "text": text})


def _tell(stream: TextIO, news: dict[str, Any]) -> None:
    print(json.dumps(news), file=stream, flush=True)


@contextmanager
def _output_alone() -> Iterator[TextIO]:
    """Standard output, while whatever else is printed there by Python or a library in C goes to standard error."""
    try:
        number = sys.stdout.fileno()
    except OSError:  # a stream within Python, as of tests
        yield sys.stdout
        return
    with os.fdopen(os.dup(number), "w", encoding="utf-8") as alone:
        sys.stdout.flush()
        os.dup2(sys.stderr.fileno(), number)
        try:
            yield alone
        finally:
            sys.stdout.flush()
            os.dup2(alone.fileno(), number)


def write_all_characters() -> None:
    """Have what the encoding of the terminal or pipe does not know, such as a name in another script, escaped."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def quiet_libraries() -> None:
    """Keep libraries of this process from telling of what is no fault, such as where matplotlib keeps its fonts."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def _bar() -> Iterator[Callback]:
    require("tqdm")
    from tqdm import tqdm

    with tqdm(total=100, bar_format="{desc:<26}{percentage:3.0f} % |{bar}| {elapsed}", file=sys.stderr) as bar:

        def show(_step: str, fraction: float, text: str) -> None:
            bar.set_description_str(text, refresh=False)
            bar.n = round(100 * fraction)
            bar.refresh()

        yield show


def _lines() -> Callback:
    shown = set()

    def show(step: str, fraction: float, text: str) -> None:
        if step not in shown:
            shown.add(step)
            print(f"{100 * fraction:3.0f} % {text}", file=sys.stderr, flush=True)

    return show


def note(text: str) -> None:
    """Say something on standard error while progress is shown."""
    if sys.stderr.isatty():
        require("tqdm")
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)  # above the bar, if there is one
    else:
        print(text, file=sys.stderr, flush=True)


def summary(result: dict[str, Any], folder: Path) -> str:
    """An assessment in a few lines, warnings first."""
    lines = [result["research_use_only"]]
    lines += [f"Warning: {warning}" for warning in result["warnings"]]
    for task in result["tasks"].values():
        lines += _evidence_lines(task) if "evidence" in task else [_probabilities_line(task)]
        if "prediction_set" in task:
            lines.append(
                f"  {task['prediction_set']['coverage']:.0%} set: {' or '.join(task['prediction_set']['classes'])}"
            )
    lines += [f"{one['title']}: no verdict. {one['reason']}" for one in result["not_given"]]
    for one in result.get("regression", {}).values():
        lines.append(f"{one['title']}: {one['value']:.4g} {one['unit']}".rstrip())
    if result["aggregate"]:
        lines.append(f"Both diagnoses together: {verdict_in_words(result['aggregate'])}")
    lines += [lungs_line(result["lungs"]), opacities_in_words(result["opacities"])]
    if "mask" in result["lungs"]:
        lines.append(f"Taken for lung: {result['lungs']['mask']}")
    lines.append(f"Report: {folder / 'report.html'}")
    return "\n".join(lines)


def _probabilities_line(task: dict[str, Any]) -> str:
    shares = ", ".join(f"{name} {p:.0%}" for name, p in zip(task["classes"], task["probabilities"], strict=True))
    return f"{task['title']}: {verdict_in_words(task)} ({shares})"


def _evidence_lines(task: dict[str, Any]) -> list[str]:
    lines = [f"{task['title']}: the CT {task['verdict']}"]
    lines += [f"  {line}" for line in likelihood_ratio.in_words(task["evidence"])]
    for one in task.get("measures", ()):
        lines.append(f"  {one['title']}: {one['value']:.0f} {one['unit']}, which {one['evidence']['says']}")
    return lines


def lungs_line(lungs: dict[str, Any]) -> str:
    """Volume and densities of the lungs, and how much of their boundary the image shows, as a line of text.

    Parameters
    ----------
    lungs : dict
        `density.lung_densities`, and ``boundary_supported``, the shares of a `boundary_visibility.Boundary`.
    """
    both = lungs["both"]
    return (
        f"Lungs {both['volume_ml']:.0f} ml, {both['ground_glass_share']:.1%} at ground-glass and "
        f"{both['consolidation_share']:.1%} at consolidation densities; the CT shows "
        f"{lungs['boundary_supported']['both']:.0%} of their boundary"
    )
