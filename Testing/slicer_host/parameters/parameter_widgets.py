"""Which widgets can show which parameters, and how."""

import enum
from pathlib import Path

import ctk
from PySide6 import QtWidgets

from ..widgets.mrml_widgets import qMRMLNodeComboBox
from .annotations import Decimals, SingleStep


class Connection:
    """A widget tied to a parameter by one of the widget's properties and the signal that tells of its change."""

    kinds: tuple[type, ...] = ()
    attribute = signal = ""

    def __init__(self, widget, parameter):
        self.widget, self.parameter, self.name = widget, parameter, parameter.name
        self._slot = None

    def value(self):
        return self.parameter.kind(getattr(self.widget, self.attribute))

    def show(self, value):
        if value != self.value():
            setattr(self.widget, self.attribute, value)

    def follow(self, changed):
        self._slot = lambda *_: changed(self.name, self.value())
        getattr(self.widget, self.signal).connect(self._slot)

    def leave(self):
        getattr(self.widget, self.signal).disconnect(self._slot)


class OfButton(Connection):
    """A check box, or a button that stays down."""

    kinds, attribute, signal = (bool,), "checked", "toggled"

    def __init__(self, widget, parameter):
        super().__init__(widget, parameter)
        widget.checkable = True


class OfNumber(Connection):
    """A spin box or a slider for floats; it takes the range and the steps from the parameter's annotations."""

    kinds, attribute, signal = (int, float), "value", "valueChanged"
    LOWEST, HIGHEST = float("-inf"), float("inf")

    def __init__(self, widget, parameter):
        super().__init__(widget, parameter)
        notes = parameter.annotations
        lows = [note.minimum for note in notes if hasattr(note, "minimum")]
        highs = [note.maximum for note in notes if hasattr(note, "maximum")]
        low, high = max([self.LOWEST, *lows]), min([self.HIGHEST, *highs])
        if isinstance(widget, (QtWidgets.QSlider, ctk.ctkSliderWidget)) and (
            low == self.LOWEST or high == self.HIGHEST
        ):
            raise RuntimeError(f"A slider cannot show {parameter.name}, which has no bounds")
        self.set_steps(notes)
        widget.minimum, widget.maximum = low, high

    def set_steps(self, notes):
        for note in notes:
            if isinstance(note, SingleStep):
                self.widget.singleStep = note.value
            if isinstance(note, Decimals):
                self.widget.decimals = note.value
        if self.parameter.kind is int:
            self.widget.decimals = 0


class OfInteger(OfNumber):
    """A spin box or a slider of Qt's own."""

    kinds = (int,)
    LOWEST, HIGHEST = -(2**31), 2**31 - 1

    def set_steps(self, notes):
        for note in notes:
            if isinstance(note, SingleStep):
                self.widget.singleStep = note.value


class OfText(Connection):
    """A line of text."""

    kinds, attribute, signal = (str,), "text", "textChanged"


class OfPath(Connection):
    """A path to type in."""

    kinds, attribute, signal = (Path,), "currentPath", "currentPathChanged"

    def show(self, value):
        super().show(str(value))


class OfChoice(Connection):
    """A combo box with the members of an enum, by their ``label()`` where they have one, or with the choices."""

    kinds, attribute, signal = (enum.Enum, str, int, float), "currentIndex", "currentIndexChanged"

    def __init__(self, widget, parameter):
        super().__init__(widget, parameter)
        if issubclass(parameter.kind, enum.Enum):
            self.values = list(parameter.kind)
            labels = [value.label() if hasattr(value, "label") else value.name for value in self.values]
        else:
            self.values = next(note.choices for note in parameter.annotations if hasattr(note, "choices"))
            labels = list(map(str, self.values))
        widget.clear()
        widget.addItems(labels)

    def value(self):
        return self.values[self.widget.currentIndex]

    def show(self, value):
        self.widget.currentIndex = self.values.index(value)


class OfNode(Connection):
    """A node selector; it lists the types of the parameter."""

    attribute, signal = "currentNodeID", "currentNodeChanged"

    def __init__(self, widget, parameter):
        super().__init__(widget, parameter)

        widget.nodeTypes = [kind.__name__ for kind in parameter.types]

    def value(self):
        return self.widget.currentNode()

    def show(self, value):
        self.widget.setCurrentNode(value)


CONNECTIONS = {
    QtWidgets.QCheckBox: OfButton,
    ctk.ctkCheckBox: OfButton,
    QtWidgets.QPushButton: OfButton,
    QtWidgets.QSlider: OfInteger,
    QtWidgets.QSpinBox: OfInteger,
    QtWidgets.QDoubleSpinBox: OfNumber,
    ctk.ctkDoubleSpinBox: OfNumber,
    ctk.ctkSliderWidget: OfNumber,
    QtWidgets.QLineEdit: OfText,
    ctk.ctkPathLineEdit: OfPath,
    QtWidgets.QComboBox: OfChoice,
    ctk.ctkComboBox: OfChoice,
    qMRMLNodeComboBox: OfNode,
}


def connection_of(widget, parameter) -> Connection:
    """The connection of a widget to a parameter; RuntimeError where Slicer, too, has none for the two."""
    connection = CONNECTIONS.get(type(widget))
    if connection is OfNode:
        fits = parameter.is_node
    else:
        fits = connection is not None and issubclass(parameter.kind, connection.kinds)
    if fits:
        return connection(widget, parameter)
    raise RuntimeError(f"{type(widget).__name__} cannot show {parameter.name} of type {parameter.types}")
