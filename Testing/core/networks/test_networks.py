"""The networks: what goes in and comes out, where the voxels of a map lie, and class maps that add up to the logits."""

import copy

import numpy as np
import pytest
import torch
from COVIDMTLLib.networks import (
    FeaturesMTL,
    build_network,
    initialise,
)
from COVIDMTLLib.utils.errors import InputError
from support.models.small_networks import BACKBONES, CONFIGS, MTL, PUBLISHED, THREE, TWO, network_and_case
from torch import nn


@pytest.mark.parametrize("name", BACKBONES)
def test_voxels_of_the_last_map_are_centred_on_every_so_manieth_of_the_volume(name):
    """With symmetric kernels a mirrored volume gives the mirrored map, but only if the centres mirror, too."""
    torch.manual_seed(1)
    backbone = BACKBONES[name]().eval().double()
    for module in backbone.modules():
        if isinstance(module, nn.Conv3d):
            for axis in (2, 3, 4):
                module.weight.data = (module.weight.data + module.weight.data.flip(axis)) / 2
    volume = torch.randn(1, 1, *(stride + 1 for stride in backbone.stride), dtype=torch.double)
    volume[..., : backbone.stride[0] // 2, : backbone.stride[1] // 2, : backbone.stride[2] // 2] += 5
    with torch.no_grad():
        last = backbone(volume)
        assert last.shape == (1, backbone.channels, 2, 2, 2)
        for axis in (2, 3, 4):
            mirrored = backbone(volume.flip(axis)).flip(axis)
            assert (mirrored - last).abs().max() < 1e-6 * (last - last.flip(axis)).abs().max()


@pytest.mark.parametrize("name", BACKBONES)
def test_any_size_from_the_stride_on_goes_in_and_smaller_ones_are_refused(name):
    backbone = BACKBONES[name]().eval()
    with torch.no_grad():
        for more in (0, 1, 7):
            size = [stride + more for stride in backbone.stride]
            expected = tuple(-(-n // stride) for n, stride in zip(size, backbone.stride, strict=True))
            assert backbone(torch.zeros(1, 1, *size)).shape[2:] == expected
    depth, height, width = backbone.stride
    small = torch.zeros(1, 1, depth, height, width - 1)
    with pytest.raises(ValueError, match=rf"{width - 1} voxels is too small .* needs {depth} x {height} x {width}"):
        backbone(small)
    with pytest.raises(ValueError, match=r"shape \(N, 1, D, H, W\)"):
        backbone(small[0])


@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_learns(name):
    network, case = network_and_case(name)
    logits = network.train()(**case)
    assert [one.shape[1] for one in logits] == [len(task["classes"]) for task in CONFIGS[name]["tasks"]]
    sum(one.square().sum() for one in logits).backward()
    idle = [key for key, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert not idle


@pytest.mark.parametrize("name", [name for name in CONFIGS if name != "single decovnet"])
def test_class_maps_add_up_to_the_logits(name):
    network, case = network_and_case(name)
    with torch.no_grad():
        expected = network(**case)
        logits, maps = network.class_maps(**case)
        shared = network.fnn(case["features"]).relu() if network.fnn is not None else None
    for task, head in enumerate(network.heads):
        rest = 0 if head.classify is None else head.classify.bias
        if shared is not None:
            rest = rest + shared @ head.classify.weight[:, -32:].T
        assert maps[task].shape[2:] == network.backbone(case["volume"]).shape[2:]
        torch.testing.assert_close(maps[task].mean((2, 3, 4)) + rest, expected[task], rtol=1e-4, atol=1e-4)
        assert torch.equal(logits[task], expected[task])
        assert maps[task].flatten(2).std(2).min() > 0


def test_maps_that_stand_for_no_class_are_in_the_weights_but_not_in_the_probabilities():
    network, case = network_and_case("volume, published logits")
    assert network.heads[1].reduce.weight.shape[0] == 32 and network.heads[1].classify is None
    with torch.no_grad():
        logits = network(**case)[1]
        all_32 = torch.relu(network.heads[1].reduce(network.backbone(case["volume"]))).mean((2, 3, 4))
    of_all = torch.softmax(all_32, 1)[:, :3]
    torch.testing.assert_close(torch.softmax(logits, 1), of_all / of_all.sum(1, keepdim=True))


def test_shift_moves_maps_in_training_only():
    network, case = network_and_case("volume, shifted")
    still = copy.deepcopy(network)
    still.backbone.shift = None
    with torch.no_grad():
        assert torch.equal(network(**case)[0], still(**case)[0])
        shifted, other = network.backbone.train()(case["volume"]), still.backbone.train()(case["volume"])
    assert not torch.allclose(shifted, other)
    assert network.state_dict().keys() == still.state_dict().keys()


def test_volume_and_features_are_asked_for():
    network, case = network_and_case("volume and features")
    assert network.inputs == ("volume", "features") and FeaturesMTL(3, [2]).inputs == ("features",)
    with pytest.raises(ValueError, match="takes a volume and features"):
        network(volume=case["volume"])
    volume_only, _ = network_and_case("volume")
    with pytest.raises(ValueError, match="takes a volume alone"):
        volume_only(**case)


def test_convolutions_start_as_he_has_it_and_linear_layers_as_pytorch_does():
    """As released: fan out, in ResNet3D fan in; whatever is not the weight of a convolution stays as it was."""
    for name, maps in (("volume and features", 64), ("single resnet3d34", 1)):
        torch.manual_seed(0)
        network = build_network(CONFIGS[name])
        before = copy.deepcopy(network.state_dict())
        initialise(network)
        stem = network.backbone.stem[0][0]
        assert stem.weight.std().item() == pytest.approx((2 / (maps * stem.weight[0, 0].numel())) ** 0.5, rel=0.1)
        for key, now in network.state_dict().items():
            assert torch.equal(now, before[key]) != (now.dim() == 5), key
    assert network.backbone.body[3][2].second[0].weight.std().item() == pytest.approx((2 / (512 * 27)) ** 0.5, rel=0.02)


def test_slices_know_nothing_of_each_other_and_are_shifted_in_the_plane_alone():
    torch.manual_seed(0)
    config = MTL | {"backbone": "squeezenet2d", "shift": {"chance": 1.0, "seed": 3}}
    network = build_network(config).eval()
    volume = torch.randn(1, 1, 16, 64, 64)
    other = volume.clone()
    other[:, :, 4] = 0
    with torch.no_grad():
        one, changed = network.backbone(volume), network.backbone(other)
        assert one.shape == (1, 512, 4, 2, 2)
        np.testing.assert_array_equal((one != changed).any(dim=(0, 1, 3, 4)), [False, True, False, False])
        maps = torch.zeros(2, 64, 4, 20, 20)
        maps[:, :, 1] = torch.rand(2, 64, 20, 20)
        shifted = network.backbone.shift.train()(maps)
    assert not shifted[:, :, [0, 2, 3]].any() and not torch.equal(shifted, maps)
    assert torch.equal(shifted.flatten(2).sort().values, maps.flatten(2).sort().values)
    logits = network(volume)
    assert [one.shape for one in logits] == [(1, 2), (1, 3)]


def test_heads_of_values_come_after_those_of_tasks():
    value = {"name": "c", "title": "C", "unit": "%", "mean": 30.0, "std": 8.0}
    for config in (MTL, {"architecture": "features-mtl", "features": 3, "tasks": [TWO, THREE]}):
        network = build_network(config | {"regression": [value]}).eval()
        given = {"volume": torch.randn(2, 1, 64, 64, 64), "features": torch.randn(2, 3)}
        with torch.no_grad():
            assert [one.shape[1] for one in network(**{name: given[name] for name in network.inputs})] == [2, 3, 1]
    alone = build_network(MTL | {"tasks": [], "regression": [value]})
    assert len(alone.heads) == 1


BAD = {
    "regression": (MTL | {"regression": [{"name": "c", "mean": 0, "std": 1}]}, "described by its name, title, unit"),
    "spread": (
        MTL | {"regression": [{"name": "c", "title": "C", "unit": "", "mean": 0, "std": 0}]},
        "std of the regression c",
    ),
    "name of a task": (
        MTL | {"regression": [{"name": "a", "title": "A", "unit": "", "mean": 0, "std": 1}]},
        "the same name",
    ),
    "no dict": ([], "architectures"),
    "architecture": (MTL | {"architecture": ["covid-mtl"]}, "architectures covid-mtl, single-task, features-mtl"),
    "key": (MTL | {"colour": 1}, "network has colour, which is unknown"),
    "key of another": ({"architecture": "features-mtl", "features": 3, "tasks": [TWO], "head": {}}, "has head"),
    "backbone": (MTL | {"backbone": "vgg"}, "no backbone vgg"),
    "features": (MTL | {"features": 0}, "number of features .* and 0 is not"),
    "huge": (MTL | {"features": 10**12}, "number of features"),
    "no features": ({"architecture": "features-mtl", "tasks": [TWO]}, "number of features .* None is not"),
    "truth for a number": (MTL | {"features": True}, "number of features"),
    "no tasks": (MTL | {"tasks": []}, "list of 1 to 100 tasks"),
    "task": (MTL | {"tasks": ["a"]}, "A task"),
    "task key": (MTL | {"tasks": [TWO | {"weight": 2}]}, "task has weight"),
    "no title": (MTL | {"tasks": [{"name": "a", "classes": ["x", "y"]}]}, "lacks a name, a title"),
    "one class": (MTL | {"tasks": [TWO | {"classes": ["x"]}]}, "Task a has to have 2 to 1000 classes"),
    "same class": (MTL | {"tasks": [TWO | {"classes": ["x", "x"]}]}, "a name of its own"),
    "same task": (MTL | {"tasks": [TWO, TWO]}, "Two tasks"),
    "two for one": (CONFIGS["single decovnet"] | {"tasks": [TWO, THREE]}, "has one task"),
    "shift": (MTL | {"shift": {"sideways": 1}}, "Shift3D cannot have the options .*sideways"),
    "shift's value": (MTL | {"shift": {"chance": 2}}, "chance of Shift3D is 2"),
    "shift no dict": (MTL | {"shift": 0.2}, "shift of a network"),
    "head": (MTL | {"head": {"width": 3}}, "head has width"),
    "dropout": (MTL | {"head": {"dropout": 1.0}}, "dropout"),
    "maps": (MTL | {"head": {"maps": 2, "published_logits": True}}, "number of maps .* from 3"),
    "published_logits": (MTL | {"head": {"published_logits": 1}}, "true or false"),
    "published with features": (MTL | {"head": PUBLISHED, "features": 3}, "takes no features"),
}


@pytest.mark.parametrize("kind", BAD)
def test_configurations_that_make_no_network_are_refused_in_a_sentence(kind):
    config, sentence = BAD[kind]
    with pytest.raises(InputError, match=sentence) as refused:
        build_network(config)
    assert "\n" not in str(refused.value) and str(refused.value).endswith(".")
