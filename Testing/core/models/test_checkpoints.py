"""Checkpoints of the release: the six published networks, by name, shape and what they compute."""

import pytest
import torch
from COVIDMTLLib.models.release_checkpoint import TASKS, read_checkpoint, recognise
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.utils.errors import InputError
from support.models.published_checkpoints import FIRES, PUBLISHED, RESNET, checkpoint
from torch.nn import functional

COUNTS = (195, 187, 183, 177, 177, 224)


@pytest.mark.parametrize(("name", "count"), list(zip(PUBLISHED, COUNTS, strict=True)))
def test_every_published_network_comes_in_whole(name, count):
    state = checkpoint(PUBLISHED[name])
    assert len(state) == count
    config, weights, found = recognise(state)
    network = build_network(config)
    own = network.state_dict()
    assert weights.keys() == own.keys()
    assert all(weights[key].shape == own[key].shape and weights[key].dtype == own[key].dtype for key in own)
    network.load_state_dict(weights)
    # One to one: each tensor is one of the checkpoint's, and each of those is taken once, under one of its names.
    origin = {id(tensor): name for name, tensor in state.items()}
    taken = [origin[id(tensor)] for tensor in weights.values()]
    assert sorted(taken) == sorted(origin.values())
    assert len(found) == 1


def reference(state, volume, features=None):
    """What the release computes, by its own names."""

    def conv(name, x, stride=1):
        weight = state[f"{name}.weight"]
        return functional.conv3d(x, weight, state.get(f"{name}.bias"), stride, weight.shape[-1] // 2)

    def bn(name, x, eps):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(x, *parts, eps=eps)

    def pool(x):
        return functional.max_pool3d(x, 3, 2, 1)

    def average_of_maps(name, x):
        return conv(name, x).relu().mean((2, 3, 4))

    if "fc.weight" in state:
        x = pool(bn("bn1", conv("conv1", volume, 2), 1e-5).relu())
        for stage, (_, _, blocks) in enumerate(RESNET, 1):
            for block in range(blocks):
                name, stride = f"layer{stage}.{block}", 1 if block else 2
                out = bn(f"{name}.bn1", conv(f"{name}.conv1", x, stride), 1e-5).relu()
                out = bn(f"{name}.bn2", conv(f"{name}.conv2", out), 1e-5)
                if not block:
                    x = bn(f"{name}.downsample.1", conv(f"{name}.downsample.0", x, stride), 1e-5)
                x = (out + x).relu()
        return [functional.linear(x.mean((2, 3, 4)), state["fc.weight"], state["fc.bias"])]
    prefix = "" if "convbn.0.weight" in state else "features."
    x = bn(f"{prefix}convbn.1", conv(f"{prefix}convbn.0", volume, 2), 1e-3).relu()
    for place in FIRES:
        fire = f"{prefix}features.{place}"
        first = place - 1 not in FIRES
        x = pool(x) if first else x
        few = bn(f"{fire}.squeeze_bn", conv(f"{fire}.squeeze", x), 1e-3).relu()
        many = [bn(f"{fire}.{part}_bn", conv(f"{fire}.{part}", few), 1e-3) for part in ("expand1x1", "expand3x3")]
        x = (torch.cat(many, 1) + (0 if first else x)).relu()
    if not prefix:
        return [average_of_maps("classifier.1", x)]
    tasks = [task for task in (1, 2, 3) if f"classifier{task}_.1.weight" in state]
    if features is None:
        return [average_of_maps(f"classifier{task}.1", x) for task in tasks]
    for place in (0, 2, 4):
        name = f"radioFNN.features.{place}"
        features = functional.linear(features, state[f"{name}.weight"], state[f"{name}.bias"]).relu()
    features = functional.linear(features, state["radioFNN.classifier.weight"], state["radioFNN.classifier.bias"])
    joined = [torch.cat([average_of_maps(f"classifier{task}_.1", x), features], 1).relu() for task in tasks]
    return [
        functional.linear(one, state[f"classifier{task}.1.weight"], state[f"classifier{task}.1.bias"])
        for task, one in zip(tasks, joined, strict=True)
    ]


@pytest.mark.parametrize("name", PUBLISHED)
def test_imported_networks_compute_what_the_release_does(name):
    state = checkpoint(PUBLISHED[name], seed=2)
    config, weights, _ = recognise(state)
    network = build_network(config).eval()
    network.load_state_dict(weights)
    case = {"volume": torch.randn(2, 1, 65, 70, 90)}
    if "features" in network.inputs:
        case["features"] = torch.randn(2, 375)
    with torch.no_grad():
        expected, logits = reference(state, **case), network(**case)
    for one, theirs in zip(logits, expected, strict=True):
        assert theirs.std() > 1e-3
        torch.testing.assert_close(one, theirs[:, : one.shape[1]], rtol=1e-3, atol=1e-3)


@pytest.fixture
def small():
    """The smallest of the published networks."""
    return checkpoint(PUBLISHED["SqueezeNet3D, 3 classes"])


def test_files_of_half_precision_with_prefixes_are_read(small, tmp_path):
    half = {f"module.{name}": tensor.half() if tensor.is_floating_point() else tensor for name, tensor in small.items()}
    torch.save({"epoch": 80, "state_dict": half}, tmp_path / "half.pth")
    config, weights, found = read_checkpoint(tmp_path / "half.pth")
    assert config["tasks"] == [TASKS[2]] and len(found) == 3
    assert "module." in found[1] and "half precision" in found[2]
    for key, tensor in recognise(small).state.items():
        assert weights[key].dtype == tensor.dtype
        torch.testing.assert_close(weights[key], tensor, rtol=1e-3, atol=1e-4)


def test_tasks_can_be_somebody_else_s():
    tasks = [{"name": name, "title": name, "classes": list("abcde")} for name in ("x", "y")]
    state = checkpoint(PUBLISHED["volume, two tasks"])
    config, _weights, _ = recognise(state, tasks)
    assert config["tasks"] == tasks and build_network(config).heads[1].classes == 5
    with pytest.raises(InputError, match=r"heads\.1\.reduce\.weight.* has shape \[32, 512, 1, 1, 1\] .* no such layer"):
        recognise(state, tasks[:1])
    assert [task["name"] for task in recognise(state).config["tasks"]] == ["covid_ct", "covid_nat"]


def test_heads_that_are_there_twice_and_differ_are_those_of_the_release(small):
    state = checkpoint(PUBLISHED["volume, two tasks"])
    state["classifier2_.1.bias"] = state["classifier2_.1.bias"] + 1
    _, weights, found = recognise(state)
    assert torch.equal(weights["heads.1.reduce.bias"], state["classifier2.1.bias"]) and "differ" in found[1]


class _Runs:
    def __reduce__(self):
        return print, ("run",)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.pop("features.5.expand3x3.bias"), "expand3x3.0.bias.* no such layer in it"),
        (lambda state: state.update({"features.5.extra": torch.ones(1)}), "features.5.extra is no layer"),
        (lambda state: state.update({"convbn.0.bias": torch.ones(65)}), r"shape \[65\] .* shape \[64\]"),
        (lambda state: state.pop("convbn.0.weight"), "of none of the paper's networks"),
        (lambda state: state.update({"features.5.squeeze.bias": [1.0]}), "is no array of numbers"),
        (lambda state: state.update({"classifier.1.weight": torch.tensor(1.0)}), "too few dimensions"),
        (
            lambda state: state.update({"classifier.1.weight": torch.zeros(1).expand(10**6)}),
            "2 to 1000 classes",
        ),
        (lambda state: state.update({f"features.{'9' * 5000}.x.y": torch.ones(1)}), "is no layer"),
        (lambda state: state.update({"classifier.1.bias": _Runs()}), "could be a program"),
    ],
)
def test_what_does_not_fit_is_named(small, tmp_path, capsys, change, sentence):
    change(small)
    torch.save(small, tmp_path / "checkpoint.pth")
    with pytest.raises(InputError, match=sentence):
        read_checkpoint(tmp_path / "checkpoint.pth")
    assert capsys.readouterr().out == ""


def test_files_that_are_no_checkpoints_are_refused(small, tmp_path):
    torch.save(small, tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "half.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("weights\n")
    (tmp_path / "empty.pth").touch()
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("half", "text", "empty"):
        with pytest.raises(InputError, match=rf"^{name}\.pth is damaged"):
            read_checkpoint(tmp_path / f"{name}.pth")
    with pytest.raises(InputError, match="holds no weights by name"):
        read_checkpoint(tmp_path / "list.pth")
    with pytest.raises(InputError, match="There is no file"):
        read_checkpoint(tmp_path / "none.pth")


def test_pytorch_that_may_execute_a_checkpoint_is_refused(tmp_path, monkeypatch):
    torch.save(checkpoint(PUBLISHED["SqueezeNet3D, 2 classes"]), tmp_path / "one.pth")
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(InputError, match="takes PyTorch 2.6 or later, not 2.5.1"):
        read_checkpoint(tmp_path / "one.pth")
    monkeypatch.setattr(torch, "__version__", "2.10.0")
    assert read_checkpoint(tmp_path / "one.pth").config["architecture"] == "single-task"
