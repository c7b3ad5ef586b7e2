"""The ``ctk`` module: the widgets of CTK that panels use most, each in its simplest working form."""

import math

from PySide6.QtCore import Property, QSettings, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QSlider,
    QWidget,
)

from .ctk_collapsible import ctkCollapsibleButton, ctkCollapsibleGroupBox  # noqa: F401


class ctkComboBox(QComboBox):
    """A combo box."""


class ctkCheckBox(QCheckBox):
    """A check box."""


class ctkDoubleSpinBox(QDoubleSpinBox):
    """A spin box for floats."""


class ctkMenuButton(QPushButton):
    """A button; without its second area, which opens a menu."""


class ctkMessageBox(QMessageBox):
    """A message box; without its "don't show again"."""


class ctkPathLineEdit(QWidget):
    """A path to type in, with a history in the settings; its browse button and its list of the history are not here."""

    currentPathChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._line = QLineEdit(self, objectName="_line")
        layout.addWidget(self._line)
        self._key = ""
        self._line.textChanged.connect(self.currentPathChanged)

    def setCurrentPath(self, path):
        self._line.text = path

    def addCurrentPathToHistory(self):
        if self.currentPath:
            history = [path for path in self._history() if path != self.currentPath]
            QSettings().setValue(self._entry(), [self.currentPath, *history])

    def retrieveHistory(self):
        """Take the latest path where there is none."""
        history = self._history()
        if not self.currentPath and history:
            self.setCurrentPath(history[0])

    def _history(self):
        return QSettings().value(self._entry(), [], list)

    def _entry(self):
        return f"ctkPathLineEdit/{self._key or self.objectName}"

    def _set_key(self, key):
        self._key = key
        self.retrieveHistory()

    settingKey = Property(str, lambda self: self._key, _set_key)
    currentPath = Property(str, lambda self: self._line.text, setCurrentPath, notify=currentPathChanged)


class ctkSliderWidget(QWidget):
    """A slider with a spin box; the spin box has the value, the slider follows it in steps."""

    valueChanged = Signal(float)
    valueIsChanging = Signal(float)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._slider = QSlider(Qt.Horizontal, self, objectName="_slider")
        self._spin = QDoubleSpinBox(self, objectName="_spin")
        layout.addWidget(self._slider)
        layout.addWidget(self._spin)
        self._spin.setRange(0, 100)
        self._follow()
        self._slider.valueChanged.connect(lambda steps: self.setValue(self.minimum + steps * self.singleStep))
        self._spin.valueChanged.connect(self._follow)
        self._spin.valueChanged.connect(self.valueChanged)

    def _follow(self, _=None):
        step = self.singleStep or 1
        self._slider.blockSignals(True)
        self._slider.setRange(0, min(math.ceil((self.maximum - self.minimum) / step), 2**31 - 1))
        self._slider.setValue(round((self.value - self.minimum) / step))
        self._slider.blockSignals(False)

    def setValue(self, value):
        self._spin.value = value

    def _of_spin_box(kind, name):
        def write(self, value):
            setattr(self._spin, name, value)
            self._follow()

        return Property(kind, lambda self: getattr(self._spin, name), write)

    value = Property(float, lambda self: self._spin.value, setValue, notify=valueChanged)
    minimum = _of_spin_box(float, "minimum")
    maximum = _of_spin_box(float, "maximum")
    singleStep = _of_spin_box(float, "singleStep")
    decimals = _of_spin_box(int, "decimals")
    prefix = _of_spin_box(str, "prefix")
    suffix = _of_spin_box(str, "suffix")


def not_covered(name: str) -> type:
    """A class of this name to compare types with, as Slicer's own files do; making one is an error."""

    def refuse(self, *_, **__):
        raise NotImplementedError(f"slicer_host has no stand-in for {name}")

    return type(name, (QWidget,), {"__init__": refuse})


def __getattr__(name: str):
    if not name.startswith("ctk"):
        raise AttributeError(f"ctk has no {name}")
    return globals().setdefault(name, not_covered(name))
