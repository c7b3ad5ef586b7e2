"""A stand-in for Slicer's application: it runs the panels of scripted modules in a test, without Slicer.

``start()`` makes it, once per process, and gives the ``Host`` that a test works with. See README.md.
"""

import json
import os
import sys
from pathlib import Path

__all__ = ["start"]

_host = None


def start(slicer_python: str | os.PathLike | None = None):
    """The one host of this process.

    ``slicer_python`` is the folder Base/Python/slicer of Slicer's sources, and by default the environment variable
    SLICER_PYTHON. Where it is given, Slicer's own base classes, parameter nodes and translation take the place of
    those in this package.
    """
    global _host
    folder = Path(slicer_python or os.environ.get("SLICER_PYTHON") or "").absolute()
    folder = folder if slicer_python or os.environ.get("SLICER_PYTHON") else None
    if _host is None:
        _host = _start(folder)
    if _host.slicer_python != folder:
        raise RuntimeError(f"This process already has a host with slicer_python={_host.slicer_python}")
    return _host


def _start(folder: Path | None):
    from . import submodules
    from .widgets import pythonqt

    pythonqt.install()
    from .widgets import ctk, qt

    names = json.loads(Path(__file__).with_name("names.json").read_text(encoding="utf-8"))
    sys.modules["qt"] = submodules.Listed("qt", qt, {name.partition(".")[0] for name in names["qt"]})
    sys.modules["ctk"] = submodules.Listed("ctk", ctk, names["ctk"])

    import slicer

    from .services import packaging, sample_data
    from .widgets import mrml_widgets, segmentation_widgets

    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.modules = sys.modules["slicer.modules"] = type(sys)("slicer.modules")
    for name in ("qMRMLWidget", "qMRMLNodeComboBox", "qSlicerWidget"):
        setattr(slicer, name, getattr(mrml_widgets, name))
    slicer.qMRMLSegmentationShow3DButton = segmentation_widgets.qMRMLSegmentationShow3DButton
    for name in ("qMRMLSliderWidget", "qMRMLSpinBox", "qMRMLRangeWidget"):  # Slicer's own files compare with them
        setattr(slicer, name, ctk.not_covered(name))
    sys.modules["SampleData"] = submodules.Listed("SampleData", sample_data, sample_data.__all__)

    from . import app, modules
    from .host import Host

    slicer.qSlicerScriptedLoadableModule = modules.qSlicerScriptedLoadableModule
    slicer.qSlicerScriptedLoadableModuleWidget = modules.qSlicerScriptedLoadableModuleWidget
    slicer.app = app.Application(slicer.mrmlScene)
    packaging.packages.extensions = {"PyTorch"}
    host = Host(slicer.app, packaging.packages, folder)
    from . import module_base
    from .parameters import parameter_nodes
    from .services import translation

    found: dict[str, submodules.Source] = {"packaging": packaging}
    if folder is None:
        found |= {"i18n": translation, "ScriptedLoadableModule": module_base, "parameterNodeWrapper": parameter_nodes}
    else:
        found |= {name: folder / f"{name}.py" for name in ("i18n", "ScriptedLoadableModule")}
        found["parameterNodeWrapper"] = folder / "parameterNodeWrapper" / "__init__.py"
    sys.meta_path.insert(0, submodules.Finder(found))
    return host
