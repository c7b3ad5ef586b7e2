"""The widgets of CTK that show and hide what is in them."""

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import QGroupBox, QToolButton, QWidget

WIDGET_SIZE_MAX = 16777215  # of Qt, which has no name for it in Python


class _Collapsible:
    """Hides children, and shows the same again: those that the panel has hidden stay hidden."""

    _put_away: list[QWidget]

    def _show_children(self, shown, apart_from=None):
        if not shown:
            visible = [child for child in self.children() if isinstance(child, QWidget) and not child.isHidden()]
            self._put_away += [child for child in visible if child is not apart_from]
        for child in self._put_away:
            child.setVisible(shown)
        if shown:
            self._put_away.clear()


class ctkCollapsibleButton(_Collapsible, QWidget):
    """A header with a button that shows and hides what is below it.

    CTK paints the header into the widget's own margin; here it is a child in that margin, so that a layout given
    to the widget stays clear of it.
    """

    _HEADER_HEIGHT = 24
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
        self._put_away = []
        self.setContentsMargins(0, self._HEADER_HEIGHT, 0, 0)
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
        self.setMaximumHeight(self._HEADER_HEIGHT if self._collapsed else WIDGET_SIZE_MAX)
        self._show_children(not self._collapsed, apart_from=self._header)

    def resizeEvent(self, event):
        self._header.setGeometry(0, 0, self.width, self._HEADER_HEIGHT)
        super().resizeEvent(event)

    def showEvent(self, event):
        self._show_state()  # children may have come since
        super().showEvent(event)

    text = Property(str, lambda self: self._header.text, _set_text)
    collapsed = Property(bool, lambda self: self._collapsed, _set_collapsed)
    checked = Property(bool, lambda self: not self._collapsed, lambda self, value: self._set_collapsed(not value))


class ctkCollapsibleGroupBox(_Collapsible, QGroupBox):
    """A group box with a check mark, where CTK has an arrow, that shows and hides what is in it."""

    collapsedHeight = 14

    def __init__(self, title="", parent=None):
        if isinstance(title, QWidget):
            title, parent = "", title
        super().__init__(title, parent)
        self._put_away = []
        self.setCheckable(True)
        self.toggled.connect(self._show_state)

    def _show_state(self, *_):
        self._show_children(self.isChecked())
        low = self.fontMetrics().height() + self.collapsedHeight
        self.setMaximumHeight(WIDGET_SIZE_MAX if self.isChecked() else low)

    def showEvent(self, event):
        self._show_state()  # children may have come since
        super().showEvent(event)

    collapsed = Property(bool, lambda self: not self.isChecked(), lambda self, value: self.setChecked(not value))
