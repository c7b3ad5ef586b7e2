"""Ask pip whether everything comes as wheels, on every system that Slicer is for, so that nobody needs a compiler.

    python Testing/extension/check_wheels.py

Of the base package's dependencies (``pyproject.toml``), and of what Slicer 5.12 has to download for COVIDMTL besides
what it ships (``Resources/COVIDMTL-requirements.txt``): prints for each system how many wheels and how many MB these
are, and the largest. Ends with 1 if there is a system for which something has no wheel. Run it with Python 3.12, whose
markers pip then evaluates.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import tomllib

REPOSITORY = Path(__file__).parents[2]
REQUIREMENTS = REPOSITORY / "COVIDMTL/Resources/COVIDMTL-requirements.txt"

PYTHON = "3.12"  # of Slicer 5.12
SYSTEMS = {
    "Windows amd64": ("win_amd64",),
    "macOS arm64": ("macosx_14_0_arm64",),
    "macOS x86-64": ("macosx_14_0_x86_64",),
    "Linux x86-64": ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64"),
}

SLICER = (
    *("certifi==2026.5.20", "charset-normalizer==3.4.7", "idna==3.16", "numpy==2.4.6", "packaging==26.2"),
    *("pillow==12.2.0", "pydicom==3.0.2", "pyparsing==3.3.2", "python-dateutil==2.9.0.post0", "requests==2.34.2"),
    *("scipy==1.17.1", "setuptools==82.0.1", "simpleitk==2.5.5", "six==1.17.0", "typing-extensions==4.15.0"),
    "urllib3==2.7.0",
)
"""What Slicer 5.12.3 ships of packages that others depend on, by its ``SuperBuild/External_python-*.cmake``."""


def download(system: str, requirements: list[str | Path], folder: str) -> str | None:
    """Download the wheels that some requirements take on a system; what pip says if it cannot."""
    platforms = [f"--platform={platform}" for platform in SYSTEMS[system]]
    command = [sys.executable, "-m", "pip", "download", "--only-binary=:all:", *platforms]
    command += ["--python-version", PYTHON, "--implementation", "cp", "--dest", folder, "--quiet", *requirements]
    run = subprocess.run(command, capture_output=True, text=True)
    return run.stderr.strip() if run.returncode else None


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    shipped = {one.partition("==")[0] for one in SLICER}
    failed = False
    for system in SYSTEMS:
        for what in ("package", "Slicer"):
            with tempfile.TemporaryDirectory() as folder:
                constraints = Path(folder) / "shipped.txt"
                constraints.write_text("\n".join(SLICER))
                needed = ["-r", REQUIREMENTS, "-c", constraints] if what == "Slicer" else project["dependencies"]
                error = download(system, needed, folder)
                if error:
                    failed = True
                    print(f"{system:<14}{what:<9}no: {error.splitlines()[-1]}")
                    continue
                sizes = {wheel.name: wheel.stat().st_size / 1e6 for wheel in Path(folder).glob("*.whl")}
            if what == "Slicer":
                sizes = {name: size for name, size in sizes.items() if distribution(name) not in shipped}
            largest = sorted(sizes, key=sizes.get, reverse=True)[:4]
            named = ", ".join("-".join(name.split("-")[:2]) for name in largest)
            print(f"{system:<14}{what:<9}{len(sizes):>3} wheels {sum(sizes.values()):>6.0f} MB: {named}", flush=True)
    return int(failed)


def distribution(wheel: str) -> str:
    """The normalised name of the distribution of a wheel's file name."""
    return wheel.partition("-")[0].lower().replace("_", "-")


if __name__ == "__main__":
    raise SystemExit(main())
