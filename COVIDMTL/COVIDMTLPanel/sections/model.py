"""The section of the panel for the model: those that there are, and the card of the chosen one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer
from COVIDMTLLib.processes.command_process import ChildFailed
from COVIDMTLLib.utils.errors import InputError
from slicer.i18n import tr as _

from ..installation import AlreadyTold
from ..texts.summaries import card_html
from .model_list import ModelList


class ModelSection:
    """Lets the user choose a model, add a folder of one, and import a checkpoint.

    Parameters
    ----------
    ui : namespace
        The widgets of the panel.
    parameters : callable
        Takes nothing; gives the panel's parameters that are shown now, or None.
    import_model : callable
        Makes a model folder; takes a checkpoint and the folder, and returns the folder. Makes sure of packages, too.
    """

    def __init__(self, ui, parameters: Callable[[], Any], import_model: Callable[[str, Path], Path]):
        self._ui, self._parameters, self._import_model = ui, parameters, import_model
        self._models = ModelList()
        self._cards: dict[str, dict[str, Any]] = {}
        ui.modelComboBox.connect("currentIndexChanged(int)", self.onSelected)
        ui.addModelButton.connect("clicked(bool)", self.onAdd)
        ui.importModelButton.connect("clicked(bool)", self.onImport)

    def forget(self) -> None:
        """Look again for models the next time: folders may have come or gone."""
        self._cards = {}

    def has(self, model: str) -> bool:
        """Whether a model is there."""
        return model in self._models.cards(also=model)

    def show(self) -> None:
        """Bring the list of models and the card up to date with the parameter."""
        combo, model = self._ui.modelComboBox, self._parameters().model
        combo.blockSignals(True)
        if model not in self._cards:
            self._cards = self._models.cards(also=model)
            combo.clear()
            for name, card in self._cards.items():
                combo.addItem(card.get("title", card["name"]), name)
        combo.currentIndex = combo.findData(model)
        combo.blockSignals(False)
        there = model in self._cards
        missing = _("The model {model} is not there; choose another one.").format(model=model)
        self._ui.modelCardLabel.text = card_html(self._cards[model]) if there else missing
        if not there:
            self._ui.modelCardGroupBox.collapsed = False

    def onSelected(self, index: int) -> None:
        """Called when another model was chosen."""
        model, parameters = self._ui.modelComboBox.itemData(index), self._parameters()
        if parameters is not None and model and model != parameters.model:
            parameters.model = model

    def onAdd(self) -> None:
        """Let the user choose a model folder."""
        folder = qt.QFileDialog.getExistingDirectory(self._ui.addModelButton, _("Choose a model folder"))
        if not folder:
            return
        try:
            self._parameters().model = self._models.add(folder)
        except InputError as error:
            slicer.util.errorDisplay(str(error))

    def onImport(self) -> None:
        """Let the user choose a checkpoint and a new folder, and make a model of it."""
        checkpoint = qt.QFileDialog.getOpenFileName(self._ui.importModelButton, _("Choose a checkpoint of PyTorch"))
        if not checkpoint:
            return
        parent = qt.QFileDialog.getExistingDirectory(
            self._ui.importModelButton, _("Choose where to put the model's folder")
        )
        if not parent:
            return
        with slicer.util.tryWithErrorDisplay(_("The checkpoint could not be imported.")):
            try:
                folder = self._import_model(checkpoint, Path(parent) / f"{Path(checkpoint).stem}-model")
                self._parameters().model = self._models.add(folder)
                return
            except AlreadyTold:
                return
            except (InputError, ChildFailed) as error:
                refused = str(error)
        slicer.util.errorDisplay(refused)
