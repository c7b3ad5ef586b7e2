"""The ``qt`` module: every name of PySide6's QtCore, QtGui and QtWidgets, and the loader of .ui files."""

from PySide6 import QtCore, QtGui, QtWidgets

from .ui_loader import QUiLoader

__all__ = ["QUiLoader"]


def __getattr__(name: str):
    for module in (QtWidgets, QtGui, QtCore):
        if hasattr(module, name):
            return getattr(module, name)
    raise AttributeError(f"qt has no {name}: PySide6's QtCore, QtGui and QtWidgets have none")
