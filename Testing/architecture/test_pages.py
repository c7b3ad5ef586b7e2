"""README and the pages beside it: every link leads somewhere, and every command is one that there is."""

import re
import shlex
from pathlib import Path

import pytest
from COVIDMTLLib.cli.main import _parser

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("*.md", ".github/**/*.md", "Testing/**/*.md", "Training/**/*.md")
    for path in sorted(ROOT.glob(pattern))
}
LINES_OF_README = 250
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)")
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SCRIPT = re.compile(r"\b(?:Testing|Training)/[\w/]+\.\w+\b")


def links_of(page):
    """Where the links of a page lead, from the root, each with its anchor or an empty text."""
    for target, anchor in LINK.findall(PAGES[page]):
        path = (ROOT / page).parent / target if target else ROOT / page
        yield path.resolve(), anchor


def anchors_of(page):
    """The headings of a page as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands_of(page):
    """Commands of the program in the blocks of a page, without its name."""
    for block in BLOCK.findall(PAGES[page]):
        for command in (one for line in block.replace("\\\n", " ").splitlines() for one in line.split("&&")):
            words = shlex.split(command, comments=True)
            if words and words[0].removeprefix(".venv/bin/") == "covid-mtl":
                yield words[1:]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    for path, anchor in links_of(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors_of(path.read_text(encoding="utf-8")), anchor


def test_every_page_is_found_from_readme():
    found, new = set(), {"README.md"}
    while new:
        found |= new
        linked = {path for page in new for path, _ in links_of(page) if path.suffix == ".md"}
        new = {path.relative_to(ROOT).as_posix() for path in linked} - found
    assert found == set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_commands_are_those_that_there_are(page, capsys):
    for words in commands_of(page):
        try:
            _parser().parse_args(words)
        except SystemExit:
            pytest.fail(f"covid-mtl {shlex.join(words)}: {capsys.readouterr().err.splitlines()[-1]}")
    for name in SCRIPT.findall(PAGES[page]):
        assert (ROOT / name).exists(), name


def test_readme_is_short_and_says_what_matters_first():
    lines = PAGES["README.md"].splitlines()
    assert len(lines) < LINES_OF_README
    assert any("Research use only" in line for line in lines[:12])
    assert [line for line in lines if re.search("pip install.*-m pytest", line)] == [
        'python3 -m venv .venv && .venv/bin/pip install -c constraints.txt ".[test]" && .venv/bin/python -m pytest'
    ]
