"""Shift3D (section 4.2, Algorithm 2): feature maps shifted at random while a network trains."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from ...utils.errors import InputError

try:  # comes with PyTorch for CUDA on Linux
    import triton
    from triton import language as tl
except ImportError:
    triton = None

DISTRIBUTIONS = ("uniform", "gaussian")
"""Of the number of lines (Table 7)."""

INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By size in bytes."""


class Shift3D(nn.Module):
    """Shifts feature maps at random in training, and does nothing in evaluation.

    Takes a tensor (N, C, D, H, W) or (N, C, H, W) and returns one like it. A sample is shifted with a
    certain chance. Each of its maps then draws a dimension, a direction and a number of lines for itself and is
    rolled by them: what leaves at one end comes in at the other.

    All is drawn on the CPU by the layer's own generator: the same seed shifts alike on every device, and a GPU
    is never waited for. Neither parameters nor buffers are added to a network; what a training run needs to go
    on exactly where it stopped is in `resume_state`.

    Parameters
    ----------
    max_share : float
        Largest shift in either direction, as a share of the size of the dimension: 0 to
        ``int(max_share * size)`` lines.
    chance : float
        Chance that a sample is shifted.
    decay_iterations : int, optional
        Calls in training over which the chance falls to 0 along half a cosine. By default it stays.
    per_sample : bool
        Whether every sample has its own chance and its own shifts. Otherwise one throw is for the whole batch,
        and a map is shifted alike in all samples.
    padding : bool
        Whether the lines that come in again are filled with ``padding_value``.
    padding_value : float
    distribution : {"uniform", "gaussian"}
        Of the number of lines. The paper leaves the parameters of the Gaussian open; here the shift, direction
        and all, is normal around 0, rounded, and the largest shift is two standard deviations, where it is cut.
    seed : int

    Raises
    ------
    InputError
        If a share or chance is not within 0..1, ``decay_iterations`` is not positive, or there is no such
        distribution.
    """

    axes = 3
    """How many dimensions, of the last ones, are shifted along."""

    def __init__(
        self,
        max_share: float = 0.2,
        chance: float = 0.25,
        decay_iterations: int | None = None,
        per_sample: bool = True,
        padding: bool = False,
        padding_value: float = 0.0,
        distribution: str = "uniform",
        seed: int = 0,
    ):
        super().__init__()
        for name, value in {"max_share": max_share, "chance": chance}.items():
            if not 0 <= value <= 1:
                raise InputError(f"{name} of Shift3D is {value}; give a number between 0 and 1.")
        if decay_iterations is not None and decay_iterations < 1:
            raise InputError(f"decay_iterations of Shift3D is {decay_iterations}; give 1 or more, or leave it out.")
        if distribution not in DISTRIBUTIONS:
            raise InputError(f"Shift3D knows no distribution {distribution}; choose one of {', '.join(DISTRIBUTIONS)}.")
        self.max_share, self.chance, self.decay_iterations = max_share, chance, decay_iterations
        self.per_sample, self.distribution = per_sample, distribution
        self.fill = float(padding_value) if padding else None
        # By numpy, whose generators can be copied and pickled along with a network in every version.
        self.generator = np.random.default_rng(seed)
        self.iteration = 0

    def extra_repr(self) -> str:
        return f"max_share={self.max_share}, chance={self.chance}, distribution={self.distribution}"

    def current_chance(self) -> float:
        """Chance of a shift at the next call in training."""
        if self.decay_iterations is None:
            return self.chance
        done = min(self.iteration / self.decay_iterations, 1)
        return self.chance * (1 + math.cos(math.pi * done)) / 2

    def resume_state(self) -> dict:
        """What a later run needs besides the weights to go on exactly: numbers and text only."""
        return {"iteration": self.iteration, "generator": self.generator.bit_generator.state}

    def set_resume_state(self, state: dict) -> None:
        """Go on where the layer was that gave this `resume_state`."""
        self.iteration = state["iteration"]
        self.generator.bit_generator.state = state["generator"]

    def draw(self, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Draw the shifts of a batch.

        Parameters
        ----------
        shape : tuple of int
            Of the batch: (N, C, D, H, W) or (N, C, H, W).

        Returns
        -------
        dimensions : ndarray of int, shape (N, C)
            Counted from the first after C.
        shifts : ndarray of int, shape (N, C)
            Lines; positive towards higher indices, 0 throughout a sample that is not shifted.
        """
        (samples, maps), sizes = shape[:2], shape[2:][-self.axes :]
        skipped = len(shape) - 2 - len(sizes)
        throws = samples if self.per_sample else 1
        shifted = self.generator.random(throws) < self.current_chance()
        dimensions, shifts = np.zeros((2, throws, maps), np.int64)
        drawn = (np.count_nonzero(shifted), maps)
        drawn_dimensions = self.generator.integers(len(sizes), size=drawn)
        dimensions[shifted] = drawn_dimensions + skipped
        limits = np.array([int(self.max_share * size) for size in sizes])[drawn_dimensions]
        if self.distribution == "uniform":
            lines = self.generator.integers(limits, endpoint=True)
        else:
            lines = np.minimum(np.abs(np.rint(self.generator.normal(0, limits / 2))), limits).astype(np.int64)
        shifts[shifted] = lines * (2 * self.generator.integers(2, size=drawn) - 1)
        repeats = samples // throws
        return dimensions.repeat(repeats, axis=0), shifts.repeat(repeats, axis=0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        dimensions, shifts = self.draw(x.shape)
        self.iteration += 1
        return _Roll.apply(x, dimensions, shifts, self.fill) if shifts.any() else x


class Shift2D(Shift3D):
    """`Shift3D` for networks on slices: maps are shifted within the plane alone, those of all slices of a CT alike.

    Takes a tensor (N, C, slices, H, W), or (N, C, H, W) of single images; parameters are those of `Shift3D`.
    """

    axes = 2


class _Roll(torch.autograd.Function):
    """Rolls each map along its own dimension.

    Its derivative is the roll back, so that no index or mask is kept; where lines are filled on the way out, nothing
    comes back through them.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, dimensions: np.ndarray, shifts: np.ndarray, fill: float | None
    ) -> torch.Tensor:
        ctx.rolled = dimensions, shifts, fill
        roll = _roll_by_triton if triton is not None and x.is_cuda else _roll_by_copies
        return roll(x.contiguous(), dimensions, shifts, fill)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None, None]:
        dimensions, shifts, fill = ctx.rolled
        return _Roll.apply(gradient, dimensions, -shifts, None if fill is None else 0.0), None, None, None


def _roll_by_copies(x: torch.Tensor, dimensions: np.ndarray, shifts: np.ndarray, fill: float | None) -> torch.Tensor:
    out = torch.empty_like(x)
    maps, rolled = x.flatten(0, 1), out.flatten(0, 1)
    jobs = dimensions.ravel().tolist(), shifts.ravel().tolist()
    if x.device.type != "cpu":
        list(map(partial(_roll_map, fill=fill), rolled, maps, *jobs))
        return out
    # PyTorch's threads share every copy, and wait for each other after each. Here each copies maps of its own,
    # by numpy, which has no bfloat16: therefore as integers.
    bits = INTEGERS[x.element_size()]
    as_bits = None if fill is None else torch.tensor(fill, dtype=x.dtype).view(bits).item()
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(partial(_roll_map, fill=as_bits), rolled.view(bits).numpy(), maps.view(bits).numpy(), *jobs))
    return out


def _roll_map(into: Any, of: Any, dim: int, shift: int, fill: float | None) -> None:
    """Roll one map into another, both tensors or both arrays."""
    size = of.shape[dim]
    head = shift % size
    before = (slice(None),) * dim
    first, rest = (*before, slice(head)), (*before, slice(head, None))
    into[rest] = of[(*before, slice(size - head))]
    into[first] = of[(*before, slice(size - head, None))]
    if fill is not None:
        into[first if shift >= 0 else rest] = fill


if triton is not None:

    @triton.jit
    def _roll_slices(  # type: ignore[no-untyped-def]
        x, out, rolls, maps, fill, depth, height, width: tl.constexpr, filled: tl.constexpr, block: tl.constexpr
    ):
        # Triton reads annotations as its own. A program moves one block of one axial slice of one map.
        area = height * width
        blocks = tl.cdiv(area, block)
        program = tl.program_id(0)
        z = program // blocks % depth
        of_map = program // blocks // depth
        dimension = tl.load(rolls + of_map)
        head = tl.load(rolls + maps + of_map)
        back = tl.where(dimension == 0, head, 0)
        down = tl.where(dimension == 1, head, 0) * width
        right = tl.where(dimension == 2, head, 0)
        position = program % blocks * block + tl.arange(0, block)
        above = position < down
        left = position % width < right
        source = position - down - right + tl.where(above, area, 0) + tl.where(left, width, 0)
        first = of_map.to(tl.int64) * depth * area
        inside = position < area
        value = tl.load(x + first + (z - back + tl.where(z < back, depth, 0)) * area + source, mask=inside)
        if filled:
            backwards = tl.load(rolls + 2 * maps + of_map) != 0
            value = tl.where((above | left | (z < back)) != backwards, fill, value)
        tl.store(out + first + z * area + position, value, mask=inside)


def _roll_by_triton(x: torch.Tensor, dimensions: np.ndarray, shifts: np.ndarray, fill: float | None) -> torch.Tensor:
    """In one kernel, since thousands of small copies keep a GPU waiting for the next."""
    depth, height, width = x.shape[2:] if x.dim() == 5 else (1, *x.shape[2:])
    heads = shifts % np.array(x.shape[2:])[dimensions]
    rolls = np.stack([dimensions + 5 - x.dim(), heads, shifts < 0]).astype(np.int32)
    out, block = torch.empty_like(x), 1024
    programs = shifts.size * depth * triton.cdiv(height * width, block)
    with torch.cuda.device(x.device):
        _roll_slices[(programs,)](
            x,
            out,
            torch.from_numpy(rolls).to(x.device, non_blocking=True),
            shifts.size,
            fill or 0.0,
            depth,
            height,
            width=width,
            filled=fill is not None,
            block=block,
        )
    return out
