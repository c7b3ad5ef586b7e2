"""A trained model that is ready to assess cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

import numpy as np

from ..features.names import FIRST_ORDER, GLCM, VOLUME, WAVELET_GLCM, values_of
from ..imaging.volume import WORKING_SPACING, Volume
from ..utils.errors import InputError
from .card import takes_features, takes_volume
from .feature_scaling import scale

if TYPE_CHECKING:
    import torch

    from ..architectures.numpy_networks import FeatureNetwork
    from ..networks import Network
    from .inference import Runner


class Case(TypedDict, total=False):
    """A case as a runner takes it, by keyword; see `Model.case`."""

    features: np.ndarray
    volume: np.ndarray | torch.Tensor
    patient: np.ndarray


class FeatureRunner:
    """Runs a network that sees no images; as `inference.Runner` for one that does.

    Parameters
    ----------
    network : FeatureNetwork
        Of `numpy_networks`.
    """

    used: ClassVar[dict[str, str]] = {"device": "cpu", "dtype": "float64", "memory_format": "contiguous_format"}

    def __init__(self, network: FeatureNetwork):
        self.network = network

    def probabilities(self, **case: np.ndarray | torch.Tensor) -> list[np.ndarray]:
        """Probabilities of the classes of each task, float64 of shape (classes,), for a case as `Model.case` has it.

        Of a regression, the one output (1,) as it is.
        """
        from scipy.special import softmax

        given = {name: np.asarray(values) for name, values in case.items()}
        return [softmax(logits) if len(logits) > 1 else logits for logits in self.network(**given)]


@dataclass(frozen=True)
class Model:
    """A trained model.

    Attributes
    ----------
    card : dict
        What ``model.json`` holds: names, input, scaling, training distribution, split, metrics, intended use.
    runner : Runner or FeatureRunner
        The network, ready to run.
    """

    card: dict[str, Any]
    runner: Runner | FeatureRunner

    @property
    def takes_features(self) -> bool:
        """Whether the network sees lung features."""
        return takes_features(self.card)

    @property
    def takes_volume(self) -> bool:
        """Whether the network sees the lung volume."""
        return takes_volume(self.card)

    @property
    def spacing(self) -> float:
        """Of the voxels that the network sees and that its lung features are of, in mm."""
        return self.card.get("input", {}).get("spacing", WORKING_SPACING)

    @property
    def features(self) -> list[str]:
        """Names of the features that the model takes, in order; none if it takes none."""
        return self.card.get("features", [])

    @property
    def of_low_pass(self) -> bool:
        """Whether the model takes nothing but what `extraction.low_pass_features` gives."""
        low_pass = {*FIRST_ORDER, *GLCM, VOLUME, *(f"LLL_glcm_{name}" for name in WAVELET_GLCM)}
        return bool(self.features) and not self.takes_volume and low_pass.issuperset(self.features)

    @property
    def patient_values(self) -> list[str]:
        """What the model can use of a patient besides the CT: ``age``, ``sex`` and names of `laboratory.LABORATORY`.

        Each may be missing in a case.
        """
        return self.card.get("patient_values", [])

    @property
    def regression(self) -> list[dict[str, Any]]:
        """The values that the model says besides verdicts: name, title, unit, mean and standard deviation of each."""
        return self.card.get("network", {}).get("regression", [])

    @property
    def network(self) -> Network | FeatureNetwork:
        """The network as it runs; see `load_network` for one to train."""
        return self.runner.network

    def predict(
        self,
        features: Mapping[str, float] | None = None,
        volume: Volume | np.ndarray | torch.Tensor | None = None,
        patient: Mapping[str, float] | None = None,
    ) -> dict[str, np.ndarray]:
        """Assess one case.

        Parameters
        ----------
        features, volume, patient
            See `case`.

        Returns
        -------
        dict
            For each task the probabilities of its classes, float64 of shape (classes,), and for each regression its
            value in its unit, float64 of shape (1,).

        Raises
        ------
        InputError
            As `case` does, or if what comes out are no numbers.
        """
        found = self.runner.probabilities(**self.case(features, volume, patient))
        if not all(np.isfinite(one).all() for one in found):
            raise InputError(f"Model {self.card['name']} gives no numbers for this case; its weights make no sense.")
        regression = self.regression
        for output, one in zip(found[len(found) - len(regression) :], regression, strict=True):
            output *= one["std"]
            output += one["mean"]
        return {one["name"]: output for one, output in zip([*self.card["tasks"], *regression], found, strict=True)}

    def case(
        self,
        features: Mapping[str, float] | None = None,
        volume: Volume | np.ndarray | torch.Tensor | None = None,
        patient: Mapping[str, float] | None = None,
    ) -> Case:
        """A case as the runner takes it, by keyword, features scaled.

        Parameters
        ----------
        features : mapping
            Unscaled features by name; more than the model takes do no harm.
        volume : Volume, ndarray or tensor of shape (z, y, x)
            As `lung_crop.prepare` makes it. Not looked at by a model on features alone, nor features by one on
            the volume alone.
        patient : mapping
            What is known of the patient, as `patient.Patient.known` gives it; more than the model can use does no
            harm.

        Raises
        ------
        InputError
            If what the model takes is missing, or the volume has another size than the card says.
        """
        name = self.card["name"]
        case: Case = {}
        if self.takes_features:
            try:
                values = values_of(features or {}, self.features)
            except KeyError as error:
                raise InputError(f"Model {name} takes lung features, and {error.args[0]} is not given.") from error
            case["features"] = scale(values, self.card["scaling"])
        if self.takes_volume:
            if volume is None:
                raise InputError(f"Model {name} takes a lung volume, and none is given.")
            case["volume"] = volume.array if isinstance(volume, Volume) else volume
            sizes = tuple(case["volume"].shape), tuple(self.card["input"]["size"])
            if sizes[0] != sizes[1]:
                given, wanted = (" x ".join(map(str, size)) for size in sizes)
                raise InputError(f"Model {name} takes a lung volume of {wanted} voxels, and this one has {given}.")
        if self.patient_values:
            known = patient or {}
            case["patient"] = np.array([known.get(one, np.nan) for one in self.patient_values], float)
        return case
