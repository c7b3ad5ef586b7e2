"""Load .ui files of Qt Designer that have widgets of CTK and Slicer in them."""

from xml.etree import ElementTree

from PySide6 import QtUiTools
from PySide6.QtCore import QBuffer, QByteArray, QObject
from PySide6.QtWidgets import QWidget


class QUiLoader(QtUiTools.QUiLoader):
    """Qt's loader, which also makes the stand-in widgets and makes the connections of the file by name.

    Qt's own would not find a connection such as ``mrmlSceneChanged(vtkMRMLScene*)``: it compares the types of
    C++, and signals and slots of the stand-ins have none.
    """

    def load(self, file, parent=None):
        form = ElementTree.fromstring(bytes(file.readAll().data()))
        connections = [
            [connection.findtext(tag) for tag in ("sender", "signal", "receiver", "slot")]
            for connection in form.iterfind("connections/connection")
        ]
        for section in (form.find("connections"), form.find("customwidgets")):
            if section is not None:
                form.remove(section)
        for widget in form.iter("widget"):
            stand_in = _stand_in(widget.get("class"))
            for entry in widget.findall("property"):
                has_it = stand_in is None or stand_in.staticMetaObject.indexOfProperty(entry.get("name")) >= 0
                value = entry.findtext("set") or entry.findtext("enum")
                if value and (value.startswith("ctk") or not has_it):
                    widget.remove(entry)  # of a type that Qt does not know, or that the stand-in does not need
        buffer = QBuffer()
        buffer.setData(QByteArray(ElementTree.tostring(form)))
        self._errors = []
        widget = super().load(buffer, parent)
        if self._errors:
            raise self._errors[0]
        if widget is not None:
            for sender, signal, receiver, slot in connections:
                _connect(_find(widget, sender), signal, _find(widget, receiver), slot)
        return widget

    def createWidget(self, class_name, parent=None, name=""):
        stand_in = _stand_in(class_name)
        if stand_in is None:
            return super().createWidget(class_name, parent, name)
        try:
            widget = stand_in(parent)
        except NotImplementedError as error:  # Qt would go on without the widget
            self._errors.append(error)
            return QWidget(parent)
        widget.setObjectName(name)
        return widget


def _stand_in(class_name: str) -> type | None:
    """The class of the stand-in widgets of this name; None for Qt's own."""
    import slicer

    from . import ctk

    if not class_name.startswith(("ctk", "qMRML", "qSlicer")):
        return None
    module = ctk if class_name.startswith("ctk") else slicer
    return getattr(module, class_name, None) or ctk.not_covered(class_name)


def _connect(sender: QObject, signal: str, receiver: QObject, slot: str) -> None:
    """Connect as Qt does: the slot takes what the signal gives, or less of it, by the types' names."""
    name, _, types = slot.partition("(")
    meta = receiver.metaObject()
    known = [bytes(meta.method(n).methodSignature().data()).decode() for n in range(meta.methodCount())]
    same_name = [known_slot for known_slot in known if known_slot.partition("(")[0] == name]
    if (same_name and slot not in same_name) or not signal.partition("(")[2].startswith(types.rstrip(")")):
        raise RuntimeError(f"The .ui file connects {signal} to {slot} of {receiver.className()}: Qt cannot")
    sender.connect(signal, getattr(receiver, name))


def _find(widget: QObject, name: str) -> QObject:
    found = widget if widget.objectName == name else widget.findChild(QObject, name)
    if found is None:
        raise RuntimeError(f"The .ui file connects {name!r}, which it does not have")
    return found
