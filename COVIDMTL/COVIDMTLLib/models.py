"""Models as folders: safetensors for the weights, JSON for everything else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .devices import choose_device
from .errors import InputError
from .feature_names import FEATURE_NAMES
from .packages import require

if TYPE_CHECKING:
    import torch

    from .networks import FeaturesMTL

FORMAT = "covid-mtl-model"
FORMAT_VERSION = 1
CARD = "model.json"
WEIGHTS = "model.safetensors"
DEFAULT_MODEL = "features-mtl"


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes
    ----------
    card : dict
        What ``model.json`` holds: names, scaling, training distribution, split, metrics, intended use.
    network : FeaturesMTL
        The network, in evaluation mode, on the device that it runs on.
    """

    card: dict[str, Any]
    network: FeaturesMTL

    @property
    def features(self) -> list[str]:
        """Names of the features that the model takes, in order."""
        return self.card["features"]

    @property
    def device(self) -> torch.device:
        """The device that the network runs on."""
        return next(self.network.parameters()).device

    def predict(self, features: dict[str, float]) -> dict[str, np.ndarray]:
        """Assess one case.

        Parameters
        ----------
        features : dict
            Unscaled features by name; more than the model takes do no harm.

        Returns
        -------
        dict
            For each task the probabilities of its classes, float64 of shape (classes,).
        """
        import torch

        values = scale(np.array([[features[name] for name in self.features]]), self.card["scaling"])
        with torch.inference_mode():
            logits = self.network(torch.from_numpy(values).float().to(self.device))
        names = [task["name"] for task in self.card["tasks"]]
        return {name: torch.softmax(one[0].cpu().double(), 0).numpy() for name, one in zip(names, logits, strict=True)}


def scale(values: np.ndarray, scaling: dict[str, Any]) -> np.ndarray:
    """Scale features as a model was trained on them: z-scores, clipped, times a gain.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled, in the order of the model card.
    scaling : dict
        Of a model card: ``mean`` and ``std`` (features,), ``clip`` in standard deviations, ``gain``.

    Returns
    -------
    ndarray of shape (N, features)
    """
    z = (values - np.array(scaling["mean"])) / np.array(scaling["std"])
    return scaling["gain"] * np.clip(z, -scaling["clip"], scaling["clip"])


def fit_scaling(values: np.ndarray, clip: float, gain: float) -> dict[str, Any]:
    """The ``scaling`` of a model card.

    Parameters
    ----------
    values : ndarray of shape (N, features)
        Unscaled features of the training cases.
    clip : float
        Largest z-score, in standard deviations.
    gain : float
        What the clipped z-scores are multiplied by.

    Returns
    -------
    dict
        As `scale` takes it.
    """
    deviation = values.std(axis=0)
    # A constant feature, such as Minimum in the cohort, tells nothing and stays at 0 for every case like it.
    deviation[deviation == 0] = 1
    return {"mean": values.mean(axis=0).tolist(), "std": deviation.tolist(), "clip": clip, "gain": gain}


def shipped_models() -> dict[str, Path]:
    """Folders of the models that come with the project, by name."""
    # Beside the package in the sources and inside Slicer; within it where pip has installed it.
    package = Path(__file__).parent
    for folder in (package / "Resources" / "Models", package.parent / "Resources" / "Models"):
        if folder.is_dir():
            return {path.parent.name: path.parent for path in sorted(folder.glob(f"*/{CARD}"))}
    return {}


def load_model(name: str | Path = DEFAULT_MODEL, device: str = "auto") -> Model:
    """Load a shipped model by name, or any model folder by path.

    Parameters
    ----------
    name : str or path
    device : str
        Where to run the network: see `devices.choose_device`.

    Raises
    ------
    InputError
        If there is none, if its card and weights are damaged, do not fit together or are of a format
        that this version does not know, or if there is no such device.
    MissingPackage
        If PyTorch or safetensors is not installed.
    """
    require("torch", "safetensors.torch")
    folder = _folder(name)
    card = _checked_card(folder)
    return Model(card, _read_network(folder, card).to(choose_device(device)))


def read_card(name: str | Path = DEFAULT_MODEL) -> dict[str, Any]:
    """The card of a shipped model by name, or of any model folder by path; needs no PyTorch.

    Returns
    -------
    dict
        What ``model.json`` holds.

    Raises
    ------
    InputError
        If there is none, or if it is damaged or of a format that this version does not know.
    """
    return _checked_card(_folder(name))


def save_model(folder: Path, card: dict[str, Any], network: FeaturesMTL) -> None:
    """Write a model.

    Parameters
    ----------
    folder : Path
        An existing folder, for ``model.json`` and ``model.safetensors``.
    card : dict
        The model card; format, format version and hash of the weights are filled in.
    network : FeaturesMTL
    """
    from safetensors.torch import save

    weights = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
    (folder / WEIGHTS).write_bytes(weights)
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    card = head | card | {"weights": {"file": WEIGHTS, "sha256": hashlib.sha256(weights).hexdigest()}}
    (folder / CARD).write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")


def _folder(name: str | Path) -> Path:
    shipped = shipped_models()
    folder = shipped.get(str(name), Path(name))
    if not (folder / CARD).is_file():
        raise InputError(
            f"There is no model {name}; shipped are {', '.join(shipped)}, any other is given as the folder "
            f"that holds its {CARD}."
        )
    return folder


def _checked_card(folder: Path) -> dict[str, Any]:
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"The {CARD} of model {folder.name} is damaged: it is no JSON; get the model again."
        ) from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise InputError(f"The {CARD} of model {folder.name} is of something else than a COVID-MTL model.")
    if card.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"Model {folder.name} has format version {card.get('format_version')}, and this version of the software "
            f"reads {FORMAT_VERSION}; update one of them."
        )
    needed = ("name", "version", "tasks", "features", "scaling", "training_distribution", "weights")
    missing = [key for key in needed if key not in card]
    if missing:
        raise InputError(f"The {CARD} of model {folder.name} lacks {', '.join(missing)}; get the model again.")
    unknown = [name for name in card["features"] if name not in FEATURE_NAMES]
    if unknown:
        raise InputError(f"Model {folder.name} wants features that this version does not compute: {unknown[0]}, say.")
    return card


def _read_network(folder: Path, card: dict[str, Any]) -> FeaturesMTL:
    from safetensors import SafetensorError
    from safetensors.torch import load

    from .networks import FeaturesMTL

    try:
        content = (folder / WEIGHTS).read_bytes()
        weights = load(content)
    except (OSError, SafetensorError) as error:
        raise InputError(f"The {WEIGHTS} of model {folder.name} is missing or damaged; get the model again.") from error
    if hashlib.sha256(content).hexdigest() != card["weights"]["sha256"]:
        raise InputError(f"The {WEIGHTS} of model {folder.name} is not the one its {CARD} names; get the model again.")
    if not all(tensor.isfinite().all() for tensor in weights.values()):
        raise InputError(f"The weights of model {folder.name} are not all finite numbers; get the model again.")
    network = FeaturesMTL(len(card["features"]), [len(task["classes"]) for task in card["tasks"]])
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(f"The weights of model {folder.name} do not fit the network its {CARD} names.") from error
    return network.eval()
