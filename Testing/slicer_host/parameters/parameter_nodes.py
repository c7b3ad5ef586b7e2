"""``slicer.parameterNodeWrapper``: typed attributes kept in a parameter node of the scene and shown by widgets.

In the shape of Slicer's own, for these types: str, int, float, bool, pathlib.Path, enums, and MRML nodes. They are
written as Slicer writes them.
"""

import enum
import types
import typing
from pathlib import Path

import slicer

from .annotations import Choice, Decimals, Default, Maximum, Minimum, SingleStep, WithinRange
from .parameter_widgets import connection_of

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Maximum",
    "Minimum",
    "SingleStep",
    "WithinRange",
    "isParameterNodeWrapper",
    "parameterNodeWrapper",
]

PROPERTY = "SlicerParameterName"


class Parameter:
    """One typed attribute: how it is checked, written and read."""

    def __init__(self, name: str, hint, class_value=None):
        annotated = typing.get_origin(hint) is typing.Annotated
        kind, *self.annotations = typing.get_args(hint) if annotated else (hint,)
        self.name = name
        options = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
        self.types = tuple(option for option in options if option is not type(None))
        self.kind = self.types[0]
        self.is_node = all(issubclass(kind, slicer.vtkMRMLNode) for kind in self.types)
        if not self.is_node and not issubclass(self.kind, (str, int, float, bool, Path, enum.Enum)):
            raise TypeError(f"slicer_host has no parameter of type {hint} ({name})")
        defaults = [note for note in self.annotations if isinstance(note, Default)]
        self.default = class_value or (defaults[0] if defaults else Default(self._empty()))

    def _empty(self):
        if self.is_node:
            return None
        choices = [note.choices[0] for note in self.annotations if isinstance(note, Choice)]
        ranges = [note.minimum for note in self.annotations if isinstance(note, WithinRange)]
        first = choices or [low for low in ranges if low > 0 and self.kind in (int, float)]
        return first[0] if first else next(iter(self.kind)) if issubclass(self.kind, enum.Enum) else self.kind()

    def write(self, node, value) -> None:
        if self.is_node:
            if value is not None and not isinstance(value, self.types):
                raise TypeError(f"{self.name} takes {self.types}, not {value!r}")
            node.SetParameter(self.name, "")
            node.SetNodeReferenceID(self.name, value.GetID() if value is not None else None)
            return
        if self.kind is float and isinstance(value, int):
            value = float(value)
        if not isinstance(value, self.kind) or (isinstance(value, bool) and self.kind is not bool):
            raise TypeError(f"{self.name} takes {self.kind.__name__}, not {value!r}")
        for note in self.annotations:
            if hasattr(note, "validate"):
                note.validate(value)
        node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node):
        if not node.HasParameter(self.name):  # so it is after the scene was closed
            self.write(node, self.default.value)
        if self.is_node:
            return node.GetNodeReference(self.name)
        text = node.GetParameter(self.name)
        if issubclass(self.kind, enum.Enum):
            return self.kind[text]
        return text == "True" if self.kind is bool else self.kind(text)


class Wrapper:
    """What each wrapper class gets besides its parameters."""

    allParameters: typing.ClassVar[dict[str, Parameter]] = {}

    def __init__(self, parameterNode, prefix=None):
        if prefix:
            raise NotImplementedError("slicer_host has no prefix of parameter names")
        self.parameterNode = parameterNode
        self._connected = {}
        self._showing = False
        for parameter in self.allParameters.values():
            parameter.read(parameterNode)  # writes the default where there is no value yet

    def getValue(self, name):
        return self.allParameters[name].read(self.parameterNode)

    def setValue(self, name, value):
        with slicer.util.NodeModify(self.parameterNode):
            self.allParameters[name].write(self.parameterNode, value)

    def default(self, name):
        return self.allParameters[name].default

    def connectGui(self, gui):
        """Tie each widget whose property ``SlicerParameterName`` names a parameter to it; a tag to undo it with."""
        children = gui.findChildren(object) if hasattr(gui, "findChildren") else vars(gui).values()
        named = ((child.property(PROPERTY), child) for child in children)
        return self.connectParametersToGui({name: child for name, child in named if name})

    def connectParametersToGui(self, mapping):
        connections = [connection_of(widget, self.allParameters[name]) for name, widget in mapping.items()]
        for connection in connections:
            connection.show(self.getValue(connection.name))
            connection.follow(self._changed_by_user)
        observer = self.AddObserver("ModifiedEvent", self._changed_in_node)
        self._connected[observer] = connections
        return observer

    def disconnectGui(self, tag):
        if tag in self._connected:
            self.RemoveObserver(tag)
            for connection in self._connected.pop(tag):
                connection.leave()

    def _changed_by_user(self, name, value):
        if not self._showing:
            self.setValue(name, value)

    def _changed_in_node(self, *_):
        if self._showing:
            return
        self._showing = True
        try:
            for connections in self._connected.values():
                for connection in connections:
                    connection.show(self.getValue(connection.name))
        finally:
            self._showing = False

    def AddObserver(self, event, callback, priority=0.0):
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag):
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self):
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified):
        self.parameterNode.EndModify(wasModified)

    def Modified(self):
        self.parameterNode.Modified()


def parameterNodeWrapper(wrapped=None):
    """Class decorator: make a class of annotated names a wrapper of a parameter node."""
    if wrapped is None:
        return parameterNodeWrapper
    parameters = {}
    for name, hint in typing.get_type_hints(wrapped, include_extras=True).items():
        class_value = Default(getattr(wrapped, name)) if hasattr(wrapped, name) else None
        parameters[name] = Parameter(name, hint, class_value)
        read = lambda self, name=name: self.getValue(name)  # noqa: E731
        setattr(wrapped, name, property(read, lambda self, value, name=name: self.setValue(name, value)))
    members = {"allParameters": parameters, "__module__": wrapped.__module__, "__doc__": wrapped.__doc__}
    return type(wrapped.__name__, (wrapped, Wrapper), members | {"__init__": Wrapper.__init__})


def isParameterNodeWrapper(thing) -> bool:
    """Whether a class is, or an object is of, such a class."""
    return issubclass(thing if isinstance(thing, type) else type(thing), Wrapper)
