"""Sphinx makes the pages of the public API from its docstrings: sphinx-build -W -b html .github/api build/api."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "COVIDMTL"))

from COVIDMTLLib import RESEARCH_USE_ONLY, __version__  # noqa: E402

project = "COVID-MTL"
author = "The COVID-MTL developers"
release = __version__

extensions = ["sphinx.ext.autodoc", "numpydoc"]
default_role = "literal"
nitpicky = True

autodoc_member_order = "bysource"
# The types are in the docstrings, with shapes and units.
autodoc_typehints = "none"
# Methods stand below their class.
numpydoc_show_class_members = False

html_theme = "alabaster"
html_theme_options = {"description": RESEARCH_USE_ONLY, "page_width": "1100px", "sidebar_width": "250px"}
html_show_sphinx = False
