"""The networks of the paper. Only this package, the losses and what is built on them import PyTorch at once."""

from .backbones.decovnet import DeCoVNet
from .backbones.resnet3d import ResNet3D34
from .backbones.squeezenet3d import SqueezeNet2D, SqueezeNet3D
from .builder import Network, build_network
from .covid_mtl import CovidMTLNet
from .features_mtl import FeaturesMTL
from .initialisation import initialise
from .layers.feature_branch import AuxiliaryFNN
from .tabular import TabularNetwork

__all__ = [
    "AuxiliaryFNN",
    "CovidMTLNet",
    "DeCoVNet",
    "FeaturesMTL",
    "Network",
    "ResNet3D34",
    "SqueezeNet2D",
    "SqueezeNet3D",
    "TabularNetwork",
    "build_network",
    "initialise",
]
