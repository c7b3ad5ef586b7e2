"""What keeps a GPU busy and shows whether it is: prefetcher, profile and benchmark, as far as a CPU can tell."""

import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from benchmarks import benchmark_training
from covidmtl_training.data.store import Store, make_store
from covidmtl_training.engine.prefetch import prefetch
from covidmtl_training.profiling import profile_step
from covidmtl_training.profiling.step_clock import Clock
from COVIDMTLLib.networks.layers.shift3d import Shift3D

GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")

BOX = (36, 36, 36)

SMALL = [
    *("input.box=[36,36,36]", "input.start=[2,2,2]", "input.size=[32,32,32]", "input.spacing=5"),
    *("crops.first=[0,0,0]", "crops.last=[4,4,4]", "crops.step=2"),
    *("batch_size=4", "micro_batch_size=2", "precision=32-true", "workers=0", "checkpointing=true"),
]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    random = np.random.default_rng(0)
    labels = np.stack([np.arange(8) % 2, np.arange(8) // 2 % 2, np.arange(8) % 3], 1)
    volumes = random.integers(0, 1000, (8, *BOX), np.int16)
    names = [f"case-{number}" for number in range(8)]
    folder = tmp_path_factory.mktemp("speed") / "store"
    return make_store(Store(folder, BOX, 5.0, names, ["train"] * 8, labels, random.normal(size=(8, 375))), volumes)


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=GPU)])
def test_prefetched_batches_are_those_of_the_loader(device):
    given = [{"volume": torch.randn(2, 300, 300), "noise": torch.tensor([i])} for i in range(5)]
    taken = []
    for batch in prefetch(iter(given), torch.device(device), stay=["noise"]):
        assert batch["volume"].device.type == device and batch["noise"].device.type == "cpu"
        taken.append({name: tensor.cpu() for name, tensor in batch.items()})
    assert len(taken) == len(given)
    assert all(torch.equal(a[name], b[name]) for a, b in zip(given, taken, strict=True) for name in a)


def test_what_stops_the_loader_stops_the_prefetcher():
    def broken():
        yield {"volume": torch.zeros(1)}
        raise OSError("damaged")

    batches = prefetch(broken(), torch.device("cpu"))
    next(batches)
    with pytest.raises(OSError, match="damaged"):
        next(batches)


def test_loop_that_shift3d_is_compared_with_shifts_alike():
    x = torch.randn(4, 5, 10, 11, 12, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    ours, loop = (kind(chance=0.6, seed=3) for kind in (Shift3D, benchmark_training.RollLoop))
    for _ in range(3):
        shifted, rolled, weight = ours(x), loop(y), torch.randn(x.shape)
        assert torch.equal(shifted, rolled)
        (shifted * weight).sum().backward()
        (rolled * weight).sum().backward()
    assert torch.equal(x.grad, y.grad) and not torch.equal(shifted, x)


def test_benchmark_compares_ways_to_train_with_the_loop(small, monkeypatch, capsys):
    arguments = ["--device", "cpu", "--steps", "1", "--rounds", "1", "--data", str(small.folder)]
    arguments += ["--ways", "32-true", "32-true+channels_last+checkpointing", "--set", *SMALL]
    monkeypatch.setattr(sys, "argv", ["benchmark_training", *arguments])
    assert benchmark_training.main() == 0
    _, _, loop, *ways = capsys.readouterr().out.splitlines()
    assert loop.startswith("loop of torch.roll, float32") and "1.00 x" in loop
    assert [way.split()[0] for way in ways] == ["32-true", "32-true+channels_last+checkpointing"]
    assert all(float(way.split()[1]) > 0 for way in ways)


def test_benchmark_of_no_way_is_one_sentence(monkeypatch, capsys):
    arguments = ["--device", "cpu", "--size", "32", "32", "32", "--batch", "2", "--ways", "32-true+fast"]
    monkeypatch.setattr(sys, "argv", ["benchmark_training", *arguments])
    assert benchmark_training.main() == 2
    assert capsys.readouterr().err.startswith("benchmark_training: 32-true+fast is no way to train; join one of")


def test_profile_shows_every_stage_of_a_step(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys,
        "argv",
        ["profile_step", str(small.folder), "--out", str(tmp_path / "p"), "--steps", "2", "--device", "cpu"]
        + ["--set", *SMALL],
    )
    assert profile_step.main() == 0
    found = pd.read_csv(tmp_path / "p" / "step.csv")
    expected = ["waiting for data", "augmentation", "stem", "Shift3D", "pooling", "body 0: Fire"]
    assert found.stage[:6].tolist() == expected
    assert found.stage[-3:].tolist() == ["heads and loss", "backward", "optimiser"]
    assert found.share.sum() == pytest.approx(1, abs=1e-3) and (found.milliseconds > 0).all()
    assert (tmp_path / "p" / "step.png").is_file() and (tmp_path / "p" / "step.svg").is_file()
    events = json.loads((tmp_path / "p" / "trace.json").read_text())["traceEvents"]
    assert set(found.stage) <= {event.get("name") for event in events}
    assert "backward" in capsys.readouterr().out


def test_times_of_stages_add_up_to_all_that_passed(monkeypatch):
    moments = iter([0.0, 1.0, 3.0, 4.0, 10.0])
    monkeypatch.setattr("covidmtl_training.profiling.step_clock.time.perf_counter", lambda: next(moments))
    clock = Clock(torch.device("cpu"))
    for stage in ("data", "forward", "data", "forward"):
        clock.begin(stage)
    assert clock.stop() == {"data": 2.0, "forward": 8.0}
