"""The page on the architecture: every place that it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / ".github/ARCHITECTURE.md").read_text(encoding="utf-8")
BASES = ("", "COVIDMTL", "COVIDMTL/COVIDMTLLib", "Training")
CHANGES = re.findall(
    r"^\| (.+) \| `([^`]+)`: `([^`]+)` \|$", PAGE.partition("## Where to change what")[2], re.MULTILINE
)


def places(path):
    return [ROOT / base / path for base in BASES if (ROOT / base / path).exists()]


def test_everyday_changes_are_told():
    assert len(CHANGES) >= 24 and len({what for what, _, _ in CHANGES}) == len(CHANGES)


@pytest.mark.parametrize(("what", "path", "name"), CHANGES, ids=[what for what, _, _ in CHANGES])
def test_place_of_a_change_is_there(what, path, name):
    (file,) = places(path)
    defined = rf"^(def |class |[A-Z_, ]+, )?{name}\b" if path.endswith(".py") else rf"\b{name}\b"
    assert re.search(defined, file.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`([\w./]+(?:/|\.py))`", PAGE))))
def test_file_or_folder_that_the_page_names_is_there(path):
    assert places(path)


def test_page_has_the_layers_that_are_held():
    told = re.findall(r"^\| \d+ \| (.+) \|$", PAGE, re.MULTILINE)
    named = {name for line in told for name in re.findall(r"`([a-z]+)`", line)}
    packages = {path.parent.name for path in (ROOT / "COVIDMTL/COVIDMTLLib").glob("*/__init__.py")}
    assert named == packages
