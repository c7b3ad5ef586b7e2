"""The models that a panel offers: those that are shipped, and folders that the user has added."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import slicer
from COVIDMTLLib.models.store import read_card, shipped_models
from COVIDMTLLib.utils.errors import InputError

SETTING = "COVIDMTL/ModelFolders"


class ModelList:
    """Model cards by what `COVIDMTLLib.models.store.load_model` takes. Folders are kept in Slicer's settings."""

    def add(self, folder: str | Path) -> str:
        """Add a model folder; returns its path. Raises `InputError` if it holds no model."""
        path = str(Path(folder).absolute())
        read_card(path)
        slicer.app.settings().setValue(SETTING, json.dumps([*dict.fromkeys([*self._folders(), path])]))
        return path

    def cards(self, also: str = "") -> dict[str, dict[str, Any]]:
        """The cards of all models that are there now, and of the model ``also`` if it is."""
        found = {}
        for name in dict.fromkeys([*shipped_models(), *self._folders(), *filter(None, [also])]):
            try:
                found[name] = read_card(name)
            except InputError:  # a folder that was removed or damaged since; it may come back
                continue
        return found

    def _folders(self) -> list[str]:
        return json.loads(slicer.app.settings().value(SETTING, "[]"))
