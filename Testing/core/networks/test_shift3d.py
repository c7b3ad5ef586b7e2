"""Shift3D: what it draws, that it rolls exactly, and that it repeats itself."""

import copy
import io

import numpy as np
import pytest
import torch
from COVIDMTLLib.networks.layers.shift3d import Shift3D
from COVIDMTLLib.utils.errors import InputError
from scipy.stats import chisquare, norm

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
SHAPES = [(3, 5, 6, 7, 11), (3, 5, 7, 11)]


def naive(x, dimensions, shifts, fill):
    """Algorithm 2 map by map with torch.roll."""
    samples = []
    for sample in range(x.shape[0]):
        maps = []
        for channel in range(x.shape[1]):
            dim, shift = int(dimensions[sample, channel]), int(shifts[sample, channel])
            rolled = torch.roll(x[sample, channel], shift, dim)
            if fill is not None and shift:
                line = torch.arange(rolled.shape[dim], device=x.device)
                new = line < shift if shift > 0 else line >= len(line) + shift
                new = new.reshape([-1 if axis == dim else 1 for axis in range(rolled.dim())])
                rolled = torch.where(new, torch.full_like(rolled, fill), rolled)
            maps.append(rolled)
        samples.append(torch.stack(maps))
    return torch.stack(samples)


def layer(**options):
    return Shift3D(**{"max_share": 0.4, "chance": 0.7, "seed": 3} | options)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("fill", [None, -2.5])
@pytest.mark.parametrize("per_sample", [True, False])
@pytest.mark.parametrize("shape", SHAPES, ids=["3D", "2D"])
def test_output_and_gradient_equal_the_naive_ones(shape, per_sample, fill, dtype, device):
    options = {"per_sample": per_sample, "padding": fill is not None, "padding_value": fill or 0.0}
    shift, drawn = layer(**options), layer(**options)
    moved = 0
    for _ in range(6):
        x = torch.randn(shape, device=device).to(dtype).requires_grad_()
        weight = torch.randn_like(x)
        dimensions, shifts = drawn.draw(shape)
        moved += np.count_nonzero(shifts)
        out, expected = shift(x), naive(x, dimensions, shifts, fill)
        assert out.dtype == dtype and torch.equal(out, expected)
        found, wanted = (torch.autograd.grad(y, x, weight)[0] for y in (out, expected))
        assert torch.equal(found, wanted)
    assert moved


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("padding", [False, True])
def test_derivatives_are_exact(padding, device):
    x = torch.randn(2, 3, 3, 4, 5, dtype=torch.double, device=device, requires_grad=True)

    def shifted(x):
        return layer(chance=1, padding=padding)(x)  # a new one each time, so the same draw

    assert torch.autograd.gradcheck(shifted, x)
    assert torch.autograd.gradgradcheck(shifted, x)


@pytest.mark.parametrize("device", DEVICES)
def test_other_memory_layouts_are_rolled_alike(device):
    x = torch.randn(SHAPES[0], device=device)
    last = x.to(memory_format=torch.channels_last_3d)
    assert torch.equal(layer(chance=1)(x), layer(chance=1)(last))


def counts(values, among):
    return [np.count_nonzero(values == value) for value in among]


def test_draws_are_distributed_as_in_algorithm_2():
    shape = (10, 64, 100, 125, 130)
    shift = Shift3D(chance=1.0, seed=1)
    draws = [shift.draw(shape) for _ in range(400)]
    dimensions, shifts = (np.concatenate([draw[part].ravel() for draw in draws]) for part in (0, 1))
    assert chisquare(counts(dimensions, range(3))).pvalue > 0.01
    for dimension, limit in enumerate([20, 25, 26]):
        lines = shifts[dimensions == dimension]
        assert chisquare(counts(abs(lines), range(limit + 1))).pvalue > 0.01
        assert abs(lines).max() == limit
        assert chisquare(counts(np.sign(lines), [-1, 1])).pvalue > 0.01
    # Maps draw for themselves: neighbours agree as often as chance has it.
    same = np.mean([draw[0][:, 1:] == draw[0][:, :-1] for draw in draws])
    assert same == pytest.approx(1 / 3, abs=0.005)


def test_gaussian_shifts_are_normal_around_zero_and_cut():
    shape = (10, 64, 100, 100, 100)
    shift = Shift3D(chance=1.0, distribution="gaussian", seed=2)
    shifts = np.concatenate([shift.draw(shape)[1].ravel() for _ in range(400)])
    edges = norm.cdf(np.arange(-20.5, 21), scale=10)
    edges[[0, -1]] = 0, 1
    assert chisquare(counts(shifts, range(-20, 21)), np.diff(edges) * len(shifts)).pvalue > 0.01


@pytest.mark.parametrize("per_sample", [True, False])
def test_chance_is_that_of_a_sample_or_of_a_batch(per_sample):
    shift = Shift3D(chance=0.25, per_sample=per_sample, seed=1)
    moved = np.array([shift.draw((8, 64, 100, 125, 125))[1].any(axis=1) for _ in range(2000)])
    assert moved.mean() == pytest.approx(0.25, abs=0.03)
    alike = (moved == moved[:, :1]).all(axis=1).mean()
    assert alike == (1 if not per_sample else pytest.approx(0.75**8 + 0.25**8, abs=0.03))


def test_whole_batch_shifts_a_map_alike_in_all_samples():
    dimensions, shifts = Shift3D(chance=1.0, per_sample=False).draw((4, 64, 100, 125, 125))
    assert (dimensions == dimensions[0]).all() and (shifts == shifts[0]).all() and len(set(shifts[0])) > 10


def test_chance_falls_along_a_cosine_to_nothing():
    shift = Shift3D(chance=0.8, decay_iterations=4)
    x = torch.randn(2, 3, 10, 10, 10)
    chances = []
    for _ in range(6):
        chances.append(shift.current_chance())
        last = shift(x)
    half = np.sqrt(0.5)
    np.testing.assert_allclose(chances, [0.8, 0.4 * (1 + half), 0.4, 0.4 * (1 - half), 0, 0], atol=1e-12)
    assert last is x
    shift.eval()(x)
    assert shift.iteration == 6


def test_evaluation_is_silent_and_nothing_is_added_to_the_weights():
    shift = layer(chance=1, decay_iterations=10)
    x = torch.randn(SHAPES[0])
    before = copy.deepcopy(shift.resume_state())
    assert shift.eval()(x) is x
    assert shift.resume_state() == before
    assert not shift.state_dict() and not list(shift.parameters())


def test_same_seed_same_result_and_a_run_goes_on_where_it_stopped():
    batches = torch.randn(6, *SHAPES[0])
    one, other = layer(decay_iterations=8), layer(decay_iterations=8)
    whole = [one(x) for x in batches]
    start = [other(x) for x in batches[:3]]
    file = io.BytesIO()
    torch.save(other.resume_state(), file)
    file.seek(0)
    resumed = layer(decay_iterations=8, seed=99)
    resumed.set_resume_state(torch.load(file, weights_only=True))
    ending = [resumed(x) for x in batches[3:]]
    assert all(torch.equal(a, b) for a, b in zip(whole, start + ending, strict=True))
    assert resumed.current_chance() == one.current_chance()
    assert not torch.equal(torch.stack(whole), torch.stack([layer(seed=4)(x) for x in batches]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_share": 1.5}, "max_share of Shift3D is 1.5; give a number between 0 and 1."),
        ({"chance": -0.1}, "chance of Shift3D is -0.1"),
        ({"decay_iterations": 0}, "decay_iterations of Shift3D is 0"),
        ({"distribution": "poisson"}, "no distribution poisson; choose one of uniform, gaussian."),
    ],
)
def test_impossible_options_are_refused(options, sentence):
    with pytest.raises(InputError, match=sentence):
        Shift3D(**options)
