"""Memory that a training step takes, counted without a GPU and without computing anything.

    python Testing/benchmarks/benchmark_training_memory.py [--backbone squeezenet3d ...] [--size 200 250 250] [--batches
    10 5 2 1]

A step of the paper's recipe is taken, in half precision, by tensors that have a size and a lifetime but no content, and
the bytes of those alive are counted: weights, gradients, optimiser and all maps. Prints the peak for each batch size
with maps kept, and computed again in the backward pass (``checkpointing: true``). What convolutions take for
themselves, which depends on GPU and cuDNN, and 0.5 GB or so of CUDA itself come on top. Every sample is shifted, which
is the worst that can happen.
"""

import argparse
import weakref
from unittest import mock

import torch
from COVIDMTLLib.models.release_checkpoint import TASKS
from COVIDMTLLib.networks import build_network
from COVIDMTLLib.networks.builder import BACKBONES
from COVIDMTLLib.networks.layers import shift3d
from COVIDMTLLib.networks.losses import make_loss
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FEATURES = 375


class Count(TorchDispatchMode):
    """Counts the bytes of all tensors that operators make, as long as they live.

    Attributes
    ----------
    now, peak : int
        Bytes.
    """

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.known = weakref.WeakSet()

    def add(self, tensor: torch.Tensor) -> None:
        """Count a tensor, unless its memory is counted already."""
        storage = tensor.untyped_storage()
        if storage not in self.known:
            self.known.add(storage)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._drop, storage.nbytes())

    def _drop(self, size):
        self.now -= size

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for one in tree_leaves(made):
            if isinstance(one, torch.Tensor):
                self.add(one)
        return made


def peak(backbone: str, batch: int, size: tuple[int, int, int], recompute: bool) -> int:
    """Bytes that a step takes at most, the second one, when the optimiser has its momenta."""
    config = {"architecture": "covid-mtl", "backbone": backbone, "features": FEATURES, "tasks": TASKS}
    # As the kernel for GPUs, which makes one tensor.
    rolled = mock.patch.object(shift3d, "_roll_by_copies", lambda x, *_: torch.empty_like(x))
    with FakeTensorMode(), rolled, Count() as count:
        network = build_network(config | {"shift": {"chance": 1.0}})
        network.backbone.recompute = recompute
        for module in network.modules():
            if isinstance(module, nn.MaxPool3d):
                # On CPUs autocast pools in float32, on GPUs in half precision.
                module.forward = torch.autocast("cpu", enabled=False)(module.forward)
        loss = make_loss("random-weighted", len(TASKS))
        optimizer = torch.optim.SGD(network.parameters(), 0.005, momentum=0.9, nesterov=True)
        labels = torch.zeros(batch, len(TASKS), dtype=torch.int64)
        for _ in range(2):
            optimizer.zero_grad()
            batch_here, _batch_ahead = (torch.empty(batch, 1, *size, dtype=torch.int16) for _ in range(2))
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(batch_here.float(), torch.empty(batch, FEATURES))
            loss([one.float() for one in logits], labels).backward()
            optimizer.step()
    return count.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", nargs="+", choices=list(BACKBONES), default=list(BACKBONES))
    parser.add_argument("--size", type=int, nargs=3, default=[200, 250, 250], help="of a volume, in voxels")
    parser.add_argument("--batches", type=int, nargs="+", default=[10, 5, 2, 1], help="volumes in a forward pass")
    options = parser.parse_args()
    print(f"{'x'.join(map(str, options.size))}, half precision{'kept':>14}{'again':>10}   GB at the peak of a step")
    for backbone in options.backbone:
        for batch in options.batches:
            kept, again = (peak(backbone, batch, options.size, recompute) / 1e9 for recompute in (False, True))
            print(f"{backbone:<16} batch {batch:>3}{kept:>18.2f}{again:>10.2f}")


if __name__ == "__main__":
    main()
