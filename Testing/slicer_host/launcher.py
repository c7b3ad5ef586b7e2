"""PythonSlicer as it is: CTKAppLauncher, a parent process that starts the real Python.

Read from commontk/AppLauncher, Base/ctkAppLauncher.cpp: standard input, output and error are forwarded, the exit code
is handed on, and no signal is handled, so that a launcher that is ended leaves its Python running.
"""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = """#!{python} -IS
import subprocess, sys
sys.exit(subprocess.call([{python!r}, *sys.argv[1:]]))
"""


def write_launcher(folder: Path) -> Path:
    """Write a launcher of this Python, called PythonSlicer, and return its path. POSIX only."""
    path = folder / "PythonSlicer"
    path.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    path.chmod(0o755)
    return path
