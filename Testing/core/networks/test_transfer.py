"""Transfer to other tasks: what is shared stays to the bit, what is new learns."""

import copy

import pytest
import torch
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.networks.losses import make_loss
from COVIDMTLLib.networks.transfer import transfer
from COVIDMTLLib.utils.errors import InputError


def tasks(*classes):
    names = [[f"class {number}" for number in range(count)] for count in classes]
    return [{"name": f"task_{i}", "title": f"Task {i}", "classes": of_task} for i, of_task in enumerate(names)]


CONFIGS = {
    "volume and features": {
        "architecture": "covid-mtl",
        "backbone": "squeezenet3d",
        "features": 8,
        "shift": {"chance": 1.0},
    },
    "volume": {"architecture": "covid-mtl", "backbone": "squeezenet3d", "shift": {"chance": 1.0}},
    "features": {"architecture": "features-mtl", "features": 8},
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_only_the_new_tasks_learn_and_shift3d_goes_on(config):
    torch.manual_seed(0)
    trained = build_network({**config, "tasks": tasks(2, 2)}).train()
    before = copy.deepcopy(trained.state_dict())
    network = transfer(trained, [3]).train()
    start = copy.deepcopy(network.state_dict())
    given = {"volume": torch.randn(4, 1, 64, 64, 64), "features": torch.randn(4, 8)}
    inputs = {name: given[name] for name in network.inputs}
    optimiser = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], 0.05, weight_decay=5e-5)
    loss = make_loss("mean", 1)
    for _ in range(2):
        optimiser.zero_grad()
        loss(network(**inputs), torch.tensor([[0], [1], [2], [2]])).backward()
        optimiser.step()
    for name, now in network.state_dict().items():
        assert torch.equal(now, start[name]) != name.startswith("heads."), name
        assert name.startswith("heads.") or torch.equal(now, before[name]), name
    assert all(torch.equal(now, before[name]) for name, now in trained.state_dict().items())
    if "volume" in network.inputs:
        assert network.backbone.shift.iteration == 2
    built = build_network({**config, "tasks": tasks(3)})
    built.load_state_dict(network.state_dict())
    with torch.inference_mode():
        [found], [expected] = network.eval()(**inputs), built.eval()(**inputs)
    assert torch.equal(found, expected) and found.shape == (4, 3)


def test_new_layers_start_as_those_of_a_new_network_do():
    torch.manual_seed(0)
    head = transfer(build_network({**CONFIGS["volume and features"], "tasks": tasks(2)}), [400]).heads[0]
    # He's fan out of the convolution to 32 maps; of the linear layer from 32 maps and 32 nodes PyTorch's own.
    assert head.reduce.weight.std().item() == pytest.approx((2 / 32) ** 0.5, rel=0.02)
    assert head.classify.weight.abs().max().item() == pytest.approx(64**-0.5, rel=0.01)


@pytest.mark.parametrize("classes", [[], [2, 1]])
def test_tasks_without_classes_are_refused(classes):
    with pytest.raises(InputError, match="one new task or more, each of two classes or more"):
        transfer(build_network({**CONFIGS["features"], "tasks": tasks(2)}), classes)
