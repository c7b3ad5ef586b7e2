"""Attention: it lights up what the network answers to, where that lies in the CT."""

import numpy as np
import pytest
import torch
from COVIDMTLLib.imaging.lung_crop import prepare
from COVIDMTLLib.imaging.volume import Geometry, Volume, to_working_grid
from COVIDMTLLib.models.inference import make_ready
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.prediction.attention_maps import attention_maps, to_geometry
from support.models.small_networks import network_and_case
from torch import nn

TASK = {"name": "a", "title": "A", "classes": ["no", "yes"]}


def rotation(*degrees):
    """Direction cosines of turns around x, then y, then z."""
    matrix = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(degrees)):
        turn = np.eye(3)
        first, second = [other for other in range(3) if other != axis]
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return tuple(matrix.ravel())


def positions(geometry):
    """Positions (z, y, x, 3) of all voxels in LPS mm."""
    indices = np.stack(np.meshgrid(*(np.arange(n) for n in geometry.size), indexing="ij"), -1)
    return (indices * geometry.spacing @ geometry.axes.T + geometry.origin).transpose(2, 1, 0, 3)


def looks_for_brightness():
    """COVID-MTL on a volume, its weights set by hand: one map is what is bright, and speaks for the second class."""
    network = build_network({"architecture": "covid-mtl", "backbone": "squeezenet3d", "tasks": [TASK]}).eval()
    for module in network.modules():
        if isinstance(module, (nn.Conv3d, nn.Linear)):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
    backbone, head = network.backbone, network.heads[0]
    with torch.no_grad():
        backbone.stem[0][0].weight[0, 0, 1, 1, 1] = 1
        for module in backbone.body:
            if not isinstance(module, nn.MaxPool3d):
                module.residual = False
                module.squeeze[0].weight[0, 0] = 1
                module.expand1x1[0].weight[0, 0] = 1
        head.reduce.weight[0, 0] = 1
        head.reduce.bias[0] = -8
        head.classify.weight[1, 0] = 3
    return network


def test_bright_block_lights_up_where_it_lies_in_an_oblique_ct():
    grid = Geometry((130, 120, 90), (2.1, 2.3, 2.6), (-150.0, -90.0, 40.0), rotation(8, -14, 21))
    centre = grid.point_at((80.0, 45.0, 50.0))
    distance = np.linalg.norm(positions(grid) - centre, axis=-1)
    ct = Volume(np.where(distance < 14, 700, -900).astype(np.int16), grid)
    working = to_working_grid(ct)
    crop = prepare(working, np.ones(working.array.shape, bool))
    runner = make_ready(looks_for_brightness(), torch.device("cpu"))
    found = attention_maps(runner.network, **runner.tensors(crop.array), classes={0: 1})[0]
    assert not attention_maps(runner.network, **runner.tensors(crop.array), classes={0: 0})[0].any()
    lit = to_geometry(found, runner.network.backbone.stride, crop.geometry, grid)
    assert lit.geometry == grid and lit.array.dtype == np.float32
    # The four poolings reach 30 mm to each side, and a voxel of the map stands for 32 mm.
    assert lit.array[distance < 14].min() > 0.9 * lit.array.max() > 0
    assert lit.array[distance > 14 + 30 * 3**0.5 + 32 * 3**0.5].max() == 0
    weights = lit.array[..., None] / lit.array.sum()
    assert np.linalg.norm((positions(grid) * weights).sum((0, 1, 2)) - centre) < 16


def test_maps_come_to_the_ct_exactly_in_place():
    """What rises evenly through space comes out as that, everywhere in the crop that the map's centres span."""
    crop = Geometry((79, 66, 120), (1.0, 1.0, 1.0), (12.0, -40.0, 5.0), rotation(-10, 5, 30))
    stride = (32, 16, 16)
    of_map = Geometry((5, 5, 4), (16.0, 16.0, 32.0), crop.origin, crop.direction)
    slope = np.array([0.3, -1.2, 0.7])
    ct = Geometry((60, 60, 60), (1.7, 1.9, 2.2), (-20.0, -60.0, -10.0), rotation(4, 20, -6))
    result = to_geometry(positions(of_map) @ slope, stride, crop, ct)
    places = positions(ct)
    index = (places - crop.origin) @ crop.axes
    spanned = np.all((index >= 0) & (index <= [64, 64, 96]), axis=-1)
    outside = np.any((index < -0.5) | (index > np.array(crop.size) - 0.5), axis=-1)
    assert spanned.sum() > 10_000 and outside.sum() > 10_000
    np.testing.assert_allclose(result.array[spanned], (places @ slope)[spanned], atol=1e-2)
    assert not result.array[outside].any()
    between = ~spanned & ~outside & np.all(index > 0, axis=-1)
    assert between.any() and np.all(result.array[between] != 0)


@pytest.mark.parametrize("name", ["single resnet3d34", "volume and features"])
def test_class_activation_maps_average_to_the_logit(name):
    network, case = network_and_case(name)
    case = {key: value[:1] for key, value in case.items()}
    task = len(network.heads) - 1
    with torch.no_grad():
        logits = network(**case)[task][0]
        rest = network.heads[task].classify.bias.clone()
        if "features" in case:
            rest += network.heads[task].classify.weight[:, -32:] @ network.fnn(case["features"])[0].relu()
    for class_ in range(3):
        maps = attention_maps(network, **case, classes={0: 1, task: class_})
        found = maps[task]
        assert maps.keys() == {0, task}
        assert found.std() > 0
        assert found.mean() + rest[class_].item() == pytest.approx(logits[class_].item(), abs=1e-3)


def test_grad_cam_where_the_largest_value_decides():
    """There the gradient of a logit is the weight of a map at its largest value, and 0 elsewhere."""
    torch.manual_seed(0)
    network = build_network({"architecture": "single-task", "backbone": "decovnet", "tasks": [TASK]}).eval()
    volume = torch.randn(1, 1, 64, 48, 50)
    found = attention_maps(network, volume, classes={0: 1})[0]
    with torch.no_grad():
        last = network.backbone(volume)[0]
    alive = last.flatten(1).max(1).values > 0
    weights = network.heads[0].classify.weight[1] * alive / last[0].numel()
    expected = torch.einsum("k,kdhw->dhw", weights, last).relu().detach()
    assert expected.max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-9)
    with pytest.raises(ValueError, match="heads that average"):
        network.class_maps(volume)
