"""Running networks: what they see of a CT, and that speed and little memory change nothing in what they say."""

import copy

import numpy as np
import pytest
import torch
from benchmarks import benchmark_network
from COVIDMTLLib.imaging.lung_crop import MEAN, STD, Crop, prepare
from COVIDMTLLib.imaging.volume import Geometry, Volume, labels_on, to_working_grid
from COVIDMTLLib.models.inference import Convolution, StemInSlabs, make_ready
from COVIDMTLLib.networks import build_network, initialise
from support.models.small_networks import CONFIGS, network_and_case
from torch.nn.utils.fusion import fuse_conv_bn_eval

CPU = torch.device("cpu")


# Smaller than the box, larger, both, with odd and even margins, and smaller than the crop.
@pytest.mark.parametrize("shape", [(301, 350, 349), (401, 423, 391), (333, 411, 300), (120, 430, 201)])
def test_networks_see_the_middle_of_the_lung_volume_in_the_paper_s_box(shape):
    rng = np.random.default_rng(0)
    ct = rng.integers(-1100, 3100, shape).astype(np.int16)
    lungs = rng.integers(0, 3, shape).astype(np.uint8)
    grid = Geometry(shape[::-1], (1.0, 1.0, 1.0), (5.0, -6.0, 7.0), (0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0))
    crop = prepare(Volume(ct, grid), lungs)
    volume = np.where(lungs > 0, np.maximum(ct.astype(int) + 1024, 0), 0)
    for axis, side in enumerate((340, 390, 390)):
        margin = int(abs(shape[axis] - side) / 2)
        if shape[axis] >= side:
            volume = volume.take(range(margin, margin + side), axis)
        else:
            around = [(margin, side - shape[axis] - margin) if one == axis else (0, 0) for one in range(3)]
            volume = np.pad(volume, around)
    expected = (np.minimum(volume[70:270, 70:320, 70:320], 2000) - 16.71) / 85.17
    assert crop.array.shape == (200, 250, 250) and crop.array.dtype == np.float32
    np.testing.assert_allclose(crop.array, expected, rtol=1e-5, atol=1e-5)
    # A voxel of the crop has the place of the one of the CT that it is.
    for index in ((124, 125, 100), (100, 140, 60)):
        x, y, z = np.rint(grid.index_of(crop.geometry.point_at(index))).astype(int)
        value = min(max(int(ct[z, y, x]) + 1024, 0), 2000) if lungs[z, y, x] else 0
        assert crop.array[index[::-1]] == pytest.approx((value - MEAN) / STD, abs=1e-5)


def test_another_input_than_the_paper_s_can_be_asked_for():
    grid = Geometry((14, 12, 10), origin=(1.0, 2.0, 3.0))
    ct = Volume(np.arange(1680).reshape(10, 12, 14).astype(np.int16) - 1024, grid)
    settings = {"box": [14, 12, 12], "start": [1, 3, 0], "size": [5, 4, 13], "clip": 1000, "mean": 10.0, "std": 2.0}
    crop = prepare(ct, np.ones(ct.array.shape), Crop(**settings))
    expected = np.zeros((5, 4, 13))
    expected[1:] = np.minimum(np.arange(1680).reshape(10, 12, 14)[:4, 3:7, 1:], 1000)
    np.testing.assert_allclose(crop.array, (expected - 10) / 2)
    assert crop.geometry == Geometry((13, 4, 5), origin=(2.0, 5.0, 2.0))


def test_networks_of_larger_voxels_see_the_ct_as_its_own_slices_show_it():
    rng = np.random.default_rng(0)
    coarse = Volume(rng.integers(-1000, 400, (12, 14, 16)).astype(np.int16), Geometry((16, 14, 12), (5.0,) * 3))
    lungs = rng.integers(0, 3, coarse.array.shape).astype(np.uint8)
    settings = {"box": (14, 16, 16), "start": (1, 2, 0), "size": (12, 12, 14), "spacing": 5.0}
    working = to_working_grid(coarse)
    fine = prepare(working, labels_on(coarse.with_array(lungs), working.geometry).array, Crop(**settings))
    expected = prepare(coarse, lungs, Crop(**settings))
    assert fine.geometry == expected.geometry and fine.geometry.spacing == (5.0,) * 3
    np.testing.assert_allclose(fine.array, expected.array, atol=1.5 / STD)  # HU are whole on the working grid


@pytest.mark.parametrize("name", ["volume", "ResNet and features", "deCoVNet, two tasks"])
@pytest.mark.parametrize("rows", [1, 2, 5, None])
def test_stem_in_slabs_is_the_stem(name, rows):
    network, case = network_and_case(name)
    backbone = network.backbone
    slabs = StemInSlabs(Convolution(fuse_conv_bn_eval(*backbone.stem[0])), backbone.pool, rows)
    with torch.no_grad():
        for depth in (64, 63, 62, 33):
            volume = case["volume"][:, :, :depth]
            torch.testing.assert_close(slabs(volume), backbone.pool(backbone.stem(volume)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_networks_made_ready_say_the_same(name):
    network, case = network_and_case(name)
    before = copy.deepcopy(network.train().state_dict())
    runner = make_ready(network, CPU)
    assert runner.used == {"device": "cpu", "dtype": "float32", "memory_format": "channels_last_3d"}
    assert network.training and all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    first = {key: value[0, 0] if key == "volume" else value[0] for key, value in case.items()}
    found = runner.probabilities(**{key: value.numpy() for key, value in first.items()})
    with torch.no_grad():
        expected = [torch.softmax(one[0], 0) for one in network.eval()(**case)]
    for one, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, theirs, atol=1e-3)


def test_bfloat16_is_there_for_who_wants_it():
    network, case = network_and_case("volume and features")
    volume, features = case["volume"][0, 0].numpy(), case["features"][0].numpy()
    runner = make_ready(network, CPU, torch.bfloat16)
    assert (
        runner.used["dtype"] == "bfloat16" and runner.network.backbone.stem.convolution.weight.dtype == torch.bfloat16
    )
    exact = make_ready(network, CPU).probabilities(volume, features)
    found = runner.probabilities(volume, features)
    differences = [np.abs(a - b).max() for a, b in zip(exact, found, strict=True)]
    assert 0 < max(differences) < 0.1


def test_network_on_features_alone_runs_too():
    config = {"architecture": "features-mtl", "features": 20, "tasks": CONFIGS["volume"]["tasks"]}
    torch.manual_seed(0)
    network = build_network(config)
    initialise(network)
    features = torch.randn(20)
    runner = make_ready(network, CPU, torch.bfloat16)
    assert runner.used["dtype"] == "float32" and runner.used["memory_format"] == "contiguous_format"
    with torch.no_grad():
        expected = [torch.softmax(one[0].double(), 0) for one in network(features[None])]
    for one, theirs in zip(runner.probabilities(features=features.numpy()), expected, strict=True):
        np.testing.assert_allclose(one, theirs)


def test_networks_can_be_exported():
    for name in ("volume and features", "single resnet3d34", "single decovnet"):
        network, case = network_and_case(name)
        exported = torch.export.export(network, (), case).module()
        with torch.no_grad():
            for one, theirs in zip(exported(**case), network(**case), strict=True):
                torch.testing.assert_close(one, theirs)


def test_whole_volume_takes_little_memory_and_gets_the_same_probabilities():
    pytest.importorskip("resource", reason="the peak memory of a process is read as Linux tells it")
    plain, ready = (benchmark_network.in_own_process(kind, 0) for kind in ("plain", "ready"))
    assert ready["peak"] < 1200
    np.testing.assert_allclose(ready["probabilities"], plain["probabilities"], atol=1e-4)
