"""Make PySide6's objects behave like PythonQt's: properties are attributes, signals connect by their C++ name.

The base class of all Qt objects is changed in place, once per process. Subclassing each class instead would leave
out the objects that Qt itself makes: those of a .ui file, layouts, the buttons of a dialog.
"""

import inspect
from functools import partial

import shiboken6
from PySide6 import QtCore, QtGui, QtWidgets
from PySide6.QtCore import Property, QObject

_get = QObject.__getattribute__
_property_names: dict[tuple[type, str], bool] = {}


def install() -> None:
    """Change QObject; a second call does nothing."""
    if QObject.__getattribute__ is not _get:
        return
    QObject.__getattribute__ = _read
    for module in (QtCore, QtGui, QtWidgets):
        for kind in (getattr(module, name) for name in dir(module)):
            if isinstance(kind, type) and issubclass(kind, QObject):
                kind.__setattr__ = _write  # of this method each class has its own
    QObject.className = lambda self: self.metaObject().className()
    QObject.delete = lambda self: shiboken6.delete(self)


def _set(thing: QObject, name: str, value) -> None:
    """Set an attribute as if nothing had been changed."""
    shiboken6.Object.__setattr__(thing, name, value)


def _is_property(thing: QObject, name: str) -> bool:
    """Whether Qt knows a property of this name; never true while ``thing`` is still being made."""
    if name.startswith("_"):
        return False
    key = type(thing), name
    if key not in _property_names:
        try:
            _property_names[key] = _get(thing, "metaObject")().indexOfProperty(name) >= 0
        except RuntimeError:
            return False
    return _property_names[key]


def _is_dynamic_property(thing: QObject, name: str) -> bool:
    try:
        return not name.startswith("_") and name.encode() in _get(thing, "dynamicPropertyNames")()
    except RuntimeError:  # the object is gone or not there yet
        return False


def _read(thing: QObject, name: str):
    if _is_property(thing, name):
        try:
            value = _get(thing, name)
        except AttributeError:
            return _get(thing, "property")(name)  # visible, checked, enabled: the method has another name
        return value() if callable(value) else value
    if name == "name":
        return _get(thing, "objectName")()
    if name in ("connect", "disconnect"):
        return partial(_by_signature, thing, name)
    if name == "exec_":
        name = "exec"
    try:
        return _get(thing, name)
    except AttributeError:
        if _is_dynamic_property(thing, name):
            return _get(thing, "property")(name)
        raise


def _write(thing: QObject, name: str, value) -> None:
    if name == "name":
        name = "objectName"
    if _is_property(thing, name):
        setter = "set" + name[0].upper() + name[1:]
        in_python = getattr(type(thing), name, None)
        if isinstance(in_python, Property):
            in_python.fset(thing, value)
        elif hasattr(thing, setter):
            _get(thing, setter)(value)
        elif not _get(thing, "setProperty")(name, value):
            raise AttributeError(f"{type(thing).__name__}.{name} cannot be set to {value!r}")
    elif _is_dynamic_property(thing, name):
        _get(thing, "setProperty")(name, value)
    elif type(thing).__module__.startswith("PySide6.") and not isinstance(value, QtCore.SignalInstance):
        # PythonQt refuses too: so a misspelt property is found here and not only in Slicer.
        raise AttributeError(
            f"{type(thing).__name__} has no property {name!r}, and a Qt object takes no new attributes"
        )
    else:
        _set(thing, name, value)


def _by_signature(sender: QObject, name: str, *arguments):
    """Connect or disconnect; PySide6 itself comes here too, with arguments of its own kind."""
    if len(arguments) == 2 and isinstance(arguments[0], str) and callable(arguments[1]):
        return {"connect": connect, "disconnect": disconnect}[name](sender, *arguments)
    return _get(sender, name)(*arguments)


def connect(sender: QObject, signal: str, slot) -> bool:
    """Connect by the C++ signature of a signal, for example ``"toggled(bool)"``."""
    slots = sender.__dict__.setdefault("_slots_by_signature", {})
    passed_on = slots.setdefault((signal, slot), _with_arguments_of(signal, slot))
    _signal(sender, signal).connect(passed_on)
    return True


def disconnect(sender: QObject, signal: str, slot) -> bool:
    """Undo one ``connect``; False where there was none."""
    passed_on = sender.__dict__.get("_slots_by_signature", {}).pop((signal, slot), None)
    return passed_on is not None and _signal(sender, signal).disconnect(passed_on)


def _signal(sender: QObject, signature: str):
    found = getattr(sender, signature.partition("(")[0], None)
    if not signature.endswith(")") or not hasattr(found, "emit") or not _has_signature(sender, signature):
        raise ValueError(f"{type(sender).__name__} has no signal {signature!r}")
    return found


def _has_signature(sender: QObject, signature: str) -> bool:
    """Whether the types are those of a signal, as Qt compares them: by name. Of PyObject, nobody knows."""
    meta = _get(sender, "metaObject")()
    methods = [bytes(meta.method(n).methodSignature().data()).decode() for n in range(meta.methodCount())]
    known = [one for one in methods if one.partition("(")[0] == signature.partition("(")[0]]
    wanted = bytes(QtCore.QMetaObject.normalizedSignature(signature).data()).decode()
    return wanted in known or any("PyObject" in one for one in known)


def _with_arguments_of(signature: str, slot):
    """The slot, called with as many arguments as the signature names, and no more than it takes."""
    arguments = signature.partition("(")[2].rstrip(")")
    count = arguments.count(",") + 1 if arguments.strip() else 0
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):  # some built-in functions do not tell
        parameters = ()
    else:
        if not any(p.kind is p.VAR_POSITIONAL for p in parameters):
            count = min(count, sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters))

    # PySide6 goes by the number of arguments that it sees.
    return (lambda: slot(), lambda a: slot(a), lambda a, b: slot(a, b), lambda a, b, c: slot(a, b, c))[count]
