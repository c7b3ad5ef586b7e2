"""Time Shift3D, with every sample of a batch shifted, against a plain clone of the batch.

    python Testing/benchmarks/benchmark_shift3d.py --device cpu --dtype float32 --size 10 64 100 125 125

Prints the median of both over the repeats, taken in turns, and their ratio. The default size takes
twice 4 GB in float32.
"""

import argparse
import time
from statistics import median

import torch
from COVIDMTLLib.models.device import choose_device
from COVIDMTLLib.networks.layers.shift3d import Shift3D


def seconds(function, x):
    """Wall time of one call, waiting for the GPU before and after."""
    wait = torch.cuda.synchronize if x.is_cuda else lambda: None
    wait()
    start = time.perf_counter()
    result = function(x)
    wait()
    elapsed = time.perf_counter() - start
    del result
    return elapsed


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "float16", "bfloat16"])
    parser.add_argument("--size", type=int, nargs="+", default=[10, 64, 100, 125, 125])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    x = torch.randn(options.size, dtype=getattr(torch, options.dtype), device=choose_device(options.device))
    functions = {"clone": torch.clone, "Shift3D": Shift3D(chance=1.0)}
    for function in functions.values():
        seconds(function, x)  # what only the first call does: kernels compiled, memory fetched
    taken = [{name: seconds(function, x) for name, function in functions.items()} for _ in range(options.repeats)]
    middle = {name: median(one[name] for one in taken) for name in functions}
    ratio = median(one["Shift3D"] / one["clone"] for one in taken)
    print(f"{' x '.join(map(str, options.size))}, {options.dtype}, {x.device}, {torch.get_num_threads()} threads")
    print("   ".join(f"{name} {time * 1e3:.1f} ms" for name, time in middle.items()) + f"   ratio {ratio:.2f}")


if __name__ == "__main__":
    main()
