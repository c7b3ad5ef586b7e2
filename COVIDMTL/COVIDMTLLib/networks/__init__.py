"""The networks of the paper. Only this package, the losses and what is built on them import PyTorch at once."""

from .auxiliary import AuxiliaryFNN
from .config import build_network
from .covid_mtl import CovidMTLNet
from .decovnet import DeCoVNet
from .features_mtl import FeaturesMTL
from .initialisation import initialise
from .resnet3d import ResNet3D34
from .squeezenet3d import SqueezeNet2D, SqueezeNet3D
from .tabular import TabularNetwork

__all__ = [
    "AuxiliaryFNN",
    "CovidMTLNet",
    "DeCoVNet",
    "FeaturesMTL",
    "ResNet3D34",
    "SqueezeNet2D",
    "SqueezeNet3D",
    "TabularNetwork",
    "build_network",
    "initialise",
]
