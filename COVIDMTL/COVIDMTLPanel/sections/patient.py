"""The section of the panel for what is known of the patient: age, sex, and laboratory values to type in or to read."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any

import qt
import slicer
from COVIDMTLLib.patient.laboratory import LABORATORY, check_labs
from COVIDMTLLib.patient.patient import read_labs
from COVIDMTLLib.utils.errors import InputError
from slicer.i18n import tr as _

from ..texts.explanations import patient_words
from ..texts.rich_text import MARKS, OUTSIDE
from ..texts.summaries import warnings_html

UNKNOWN_AGE, UNKNOWN_PRIOR = -1, 0

TITLE, MARK, VALUE, UNIT = range(4)
"""The columns of the table."""

VALUE_WIDTH = 56
"""Pixels: room to type in; the other columns share what is left."""


class Sex(enum.Enum):
    """The sex of the patient."""

    UNKNOWN = ""
    FEMALE = "female"
    MALE = "male"

    def label(self) -> str:
        """The text that a selector shows."""
        return {"": _("unknown"), "female": _("female"), "male": _("male")}[self.value]


def known_of(parameters) -> dict[str, Any]:
    """What the panel's parameters say of the patient, as the logic takes it: age, sex and labs.

    Raises
    ------
    InputError
        If the laboratory values cannot be used; a script may have put them there.
    """
    try:
        labs = json.loads(parameters.labs or "{}")
    except ValueError:
        labs = None
    if not isinstance(labs, dict):
        raise InputError(_("The laboratory values that the scene holds are damaged; clear them and give them again."))
    age = None if parameters.age == UNKNOWN_AGE else parameters.age
    return {"age": age, "sex": parameters.sex.value or None, "labs": check_labs(labs)}


def prior_of(parameters) -> float | None:
    """The probability of COVID-19 before the CT, 0 to 1, as the logic takes it."""
    return None if parameters.prior == UNKNOWN_PRIOR else parameters.prior / 100


class PatientSection:
    """Shows what is known of the patient, and takes the laboratory values that the user types in.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel; age and sex are tied to their parameters already.
    parameters : callable
        Takes nothing; gives the panel's parameters that are shown now, or None.
    """

    def __init__(self, ui, parameters: Callable[[], Any]):
        self._ui, self._parameters = ui, parameters
        self._labs: dict[str, float] = {}
        self._names = list(LABORATORY)
        self._make_table()
        ui.labsTable.connect("cellChanged(int,int)", self.onCellChanged)
        ui.labsFilterEdit.connect("textChanged(QString)", self._choose_rows)
        ui.givenOnlyCheckBox.connect("toggled(bool)", self._choose_rows)
        ui.readLabsButton.connect("clicked(bool)", self.onRead)
        ui.clearPatientButton.connect("clicked(bool)", self.onClear)

    def show(self) -> None:
        """Bring the section up to date with the parameters."""
        try:
            known, refused = known_of(self._parameters()), ""
        except InputError as error:
            known, refused = {"age": None, "sex": None, "labs": {}}, str(error)
        words = patient_words(known["age"], known["sex"], len(known["labs"]))
        # Seen when the section is collapsed too: what is given stays for the next CT, as all choices do.
        self._ui.patientCollapsibleButton.text = (
            _("Patient: {known}").format(known=words) if words else _("Patient (optional)")
        )
        if known["labs"] != self._labs:
            self._labs = known["labs"]
            for row in range(len(self._names)):
                self._show_value(row)
            self._choose_rows()
        self._say(refused)

    def onCellChanged(self, row: int, column: int) -> None:
        """Called when the user has typed a value in, or emptied a cell; what cannot be true is refused."""
        name, text = self._names[row], self._ui.labsTable.item(row, column).text()
        try:
            labs = check_labs(self._labs | {name: text})
        except InputError as error:
            self._show_value(row)
            self._say(str(error))
            return
        self._parameters().labs = json.dumps(labs)
        self._show_value(row)  # 0.50 may have been typed where 0.5 was

    def onRead(self) -> None:
        """Let the user choose a file, and take the laboratory values in it in place of those that are there."""
        file = qt.QFileDialog.getOpenFileName(
            self._ui.labsTable, _("Choose laboratory values"), "", _("Laboratory values (*.csv *.json)")
        )
        if not file:
            return
        try:
            self._parameters().labs = json.dumps(read_labs(file))
        except InputError as error:
            slicer.util.errorDisplay(str(error))

    def onClear(self) -> None:
        """Forget what is known of the patient."""
        parameters = self._parameters()
        parameters.age, parameters.sex, parameters.labs = UNKNOWN_AGE, Sex.UNKNOWN, ""
        parameters.prior = UNKNOWN_PRIOR

    def _make_table(self) -> None:
        table = self._ui.labsTable
        table.rowCount = len(self._names)
        for row, lab in enumerate(LABORATORY.values()):
            for column, text in enumerate((f"{lab.name}  {lab.title}", "", "", lab.unit)):
                item = qt.QTableWidgetItem(text)
                if column != VALUE:
                    item.setFlags(qt.Qt.ItemIsEnabled)
                item.setToolTip(f"{lab.title} ({lab.name}), {lab.panel}. {_normal(lab)}")
                table.setItem(row, column, item)
        header = table.horizontalHeader()
        for column in (MARK, UNIT):
            header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
        header.resizeSection(VALUE, VALUE_WIDTH)
        header.setSectionResizeMode(TITLE, qt.QHeaderView.Stretch)
        header.minimumSectionSize = 16
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)

    def _show_value(self, row: int) -> None:
        table, name = self._ui.labsTable, self._names[row]
        value = self._labs.get(name)
        side = "" if value is None else LABORATORY[name].side(value)
        table.blockSignals(True)
        table.item(row, MARK).setText(MARKS[side])
        table.item(row, VALUE).setText("" if value is None else f"{value:.6g}")
        for column in (MARK, VALUE):
            item = table.item(row, column)
            font = item.font()
            font.setBold(bool(side))
            item.setFont(font)
            # No brush at all stands for the colour that the style has for text.
            item.setForeground(qt.QBrush(qt.QColor(OUTSIDE)) if side else qt.QBrush())
        table.blockSignals(False)

    def _choose_rows(self, *_args) -> None:
        wanted, given_only = self._ui.labsFilterEdit.text.strip().casefold(), self._ui.givenOnlyCheckBox.checked
        for row, lab in enumerate(LABORATORY.values()):
            found = any(wanted in text.casefold() for text in (lab.name, lab.title, lab.panel))
            self._ui.labsTable.setRowHidden(row, not found or (given_only and lab.name not in self._labs))

    def _say(self, refused: str) -> None:
        outside = any(LABORATORY[name].side(value) for name, value in self._labs.items())
        legend = _("↓ below, ↑ above what the hospitals of the cohort call normal") if outside else ""
        self._ui.labsLabel.text = warnings_html([refused]) if refused else legend
        self._ui.labsLabel.visible = bool(refused or legend)


def _normal(lab) -> str:
    low, high = lab.normal_low, lab.normal_high
    limits = f"< {high:g}" if low is None else f"{low:g} - {high:g}"
    return _("Normal: {limits} {unit}").format(limits=limits, unit=lab.unit).strip()
