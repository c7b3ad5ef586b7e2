"""Load .ui files of Qt Designer that have widgets of CTK and Slicer in them."""

import xml.etree.ElementTree as ElementTree

from PySide6 import QtUiTools
from PySide6.QtCore import QBuffer, QByteArray, QObject


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
            for entry in widget.findall("property"):
                if any((entry.findtext(kind) or "").startswith("ctk") for kind in ("set", "enum")):
                    widget.remove(entry)  # of a type that Qt does not know, and no stand-in has
        buffer = QBuffer()
        buffer.setData(QByteArray(ElementTree.tostring(form)))
        widget = super().load(buffer, parent)
        if widget is not None:
            for sender, signal, receiver, slot in connections:
                _find(widget, sender).connect(signal, getattr(_find(widget, receiver), slot.partition("(")[0]))
        return widget

    def createWidget(self, class_name, parent=None, name=""):
        if not class_name.startswith(("ctk", "qMRML", "qSlicer")):
            return super().createWidget(class_name, parent, name)
        import ctk
        import slicer

        widget = getattr(ctk if class_name.startswith("ctk") else slicer, class_name)(parent)
        widget.setObjectName(name)
        return widget


def _find(widget: QObject, name: str) -> QObject:
    found = widget if widget.objectName == name else widget.findChild(QObject, name)
    if found is None:
        raise RuntimeError(f"The .ui file connects {name!r}, which it does not have")
    return found
