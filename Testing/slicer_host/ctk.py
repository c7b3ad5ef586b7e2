"""The ``ctk`` module: the widgets of CTK that panels use most, each in its simplest working form."""

import math

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLineEdit,
    QMessageBox,
    QSlider,
    QToolButton,
    QWidget,
)


class ctkComboBox(QComboBox):
    """A combo box."""


class ctkCheckBox(QCheckBox):
    """A check box."""


class ctkDoubleSpinBox(QDoubleSpinBox):
    """A spin box for floats."""


class ctkMessageBox(QMessageBox):
    """A message box; without its "don't show again"."""


class ctkCollapsibleButton(QWidget):
    """A header with a button that shows and hides what is below it.

    CTK paints the header into the widget's own margin; here it is a child in that margin, so that a layout given
    to the widget stays clear of it.
    """

    HEADER_HEIGHT = 24
    contentsCollapsed = Signal(bool)
    toggled = Signal(bool)

    def __init__(self, text="", parent=None):
        if isinstance(text, QWidget):
            text, parent = "", text
        super().__init__(parent)
        self._header = QToolButton(self, objectName="_header")
        self._header.setToolButtonStyle(Qt.ToolButtonTextBesideIcon)
        self._header.setAutoRaise(True)
        self._header.clicked.connect(self._toggle)
        self._collapsed = False
        self._put_away: list[QWidget] = []  # the children to show again; not those that the panel has hidden
        self.setContentsMargins(0, self.HEADER_HEIGHT, 0, 0)
        self._set_text(text)
        self._show_state()

    def _toggle(self):
        self._set_collapsed(not self._collapsed)

    def _set_text(self, text):
        self._header.text = text

    def _set_collapsed(self, collapsed):
        if collapsed != self._collapsed:
            self._collapsed = collapsed
            self._show_state()
            self.contentsCollapsed.emit(collapsed)
            self.toggled.emit(not collapsed)

    def _show_state(self):
        self._header.arrowType = Qt.RightArrow if self._collapsed else Qt.DownArrow
        self.setMaximumHeight(self.HEADER_HEIGHT if self._collapsed else 16777215)
        if self._collapsed:
            shown = [child for child in self.children() if isinstance(child, QWidget) and not child.isHidden()]
            self._put_away += [child for child in shown if child is not self._header]
        for child in self._put_away:
            child.setVisible(not self._collapsed)
        if not self._collapsed:
            self._put_away.clear()

    def resizeEvent(self, event):
        self._header.setGeometry(0, 0, self.width, self.HEADER_HEIGHT)
        super().resizeEvent(event)

    def showEvent(self, event):
        self._show_state()  # children may have come since
        super().showEvent(event)

    text = Property(str, lambda self: self._header.text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, value: self._set_collapsed(not value))


class ctkPathLineEdit(QWidget):
    """A path to type in; no browse button and no history."""

    currentPathChanged = Signal(str)

    def __init__(self, parent=None):
        super().__init__(parent)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._line = QLineEdit(self, objectName="_line")
        layout.addWidget(self._line)
        self._line.textChanged.connect(self.currentPathChanged)

    def setCurrentPath(self, path):
        self._line.text = path

    def addCurrentPathToHistory(self):
        """Nothing: there is no history here."""

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

    def setRange(self, minimum, maximum):
        self._spin.setRange(minimum, maximum)
        self._follow()

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
