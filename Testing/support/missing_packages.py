"""An environment in which packages are missing that a Slicer, or a machine without a compiler, does not have."""

from pathlib import Path

MISSING = ("torch", "radiomics", "pywt", "sklearn")


def blocked(folder: Path) -> Path:
    """A folder that, on PYTHONPATH, keeps a Python from importing what is `MISSING`."""
    for package in MISSING:
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text("raise ModuleNotFoundError('not here', name=__name__)")
    return folder
