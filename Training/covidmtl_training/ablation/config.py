"""Settings of the ablation study: ``ablation.yaml``, or a file that says what it changes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from COVIDMTLLib.utils.errors import InputError

from .plan import PAPER_LOSS, SHIFTS

SETTINGS = Path(__file__).parents[2] / "recipes" / "ablation.yaml"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read settings of the study; what they leave out is as in ``ablation.yaml``.

    Raises
    ------
    InputError
        If the file cannot be read, or holds what is none of the settings.
    """
    own = _read(SETTINGS)
    given = _read(Path(path))
    for key, value in given.items():
        if key not in own or type(value) is not type(own[key]):
            raise InputError(f"{Path(path).name} has {key}: {value}, which is no setting; start from ablation.yaml.")
    config = own | given
    seeds, losses = config["seeds"], config["losses"]
    if not seeds or len(set(map(str, seeds))) < len(seeds) or any(type(seed) is not int for seed in seeds):
        raise InputError("seeds of the ablation are whole numbers, at least one, and none of them twice.")
    if PAPER_LOSS not in losses or any(not isinstance(options, dict) for options in losses.values()):
        raise InputError(f"losses of the ablation are options by name, {PAPER_LOSS} among them.")
    models = config["models"].values()
    if not models or any(not isinstance(one, list) or len(one) != 2 or one[1] not in SHIFTS for one in models):
        raise InputError(f"models of the ablation are [backbone, shift] by name, shift one of {', '.join(SHIFTS)}.")
    return config


def _read(path):
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The settings {path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"The settings {path} are no YAML; start from ablation.yaml.") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} holds no settings by name; start from ablation.yaml.")
    return found
