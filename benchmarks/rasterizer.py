"""Measures the speed and memory of the CPU rasterizer, compared with the plain torch reference.

    python benchmarks/rasterizer.py [--repeats 10] [--reference-repeats 1] [--threads 2] [--no-large-reference]

The synthetic scene has a ground of flat splats, eight balls and a haze, with one camera of 60 degrees field of view and
about 35 splats per pixel. Gradients are computed for means, quaternions, scales, opacities and spherical harmonics of
degree 3.

The first table has milliseconds (the minimum of the repeats) of forward and of forward with backward, the latter also
in units of one 2048 x 2048 x 2048 float32 matrix product of torch on the same threads, and the speed-up over the
reference.

The second table counts lanes. A lane is one splat at one pixel: 34 floating point operations forward and 85 backward
for RGB. The kernels evaluate sixteen lanes of a tile's row at once; all evaluated lanes are counted, whether the splat
is visible there or not. Lanes per second and the share of the peak refer to the whole call, with projection and
sorting. The peak is the throughput of the same threads with fused multiply-adds of sixteen lanes only.

The last line is the peak memory in addition to the inputs, with gradients, in a separate process (Linux).
"""

# Numba's intrinsics take two more arguments in their definition than in a call, which type checkers do not know.
# mypy: disable-error-code="call-arg, var-annotated"

import argparse
import ctypes
import gc
import math
import multiprocessing
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numba import njit
from torch import Tensor

from recon.kernels.lanes import WIDTH, load, lowest, store
from recon.kernels.threads import run
from recon.rasterize import rasterization, reference
from recon.rasterize.binning import HALF_A, HALF_K, REACH, SHEAR, TILE, X, Y
from recon.rasterize.compositing import CHECK_EVERY, LANE_CENTERS, _reached

FORWARD_FLOPS, BACKWARD_FLOPS = 34, 85
GRADIENTS = ("means", "quats", "scales", "opacities", "colors")
WORK = ((10_000, 256), (10_000, 512), (100_000, 256), (100_000, 512))
REFERENCE_WORK = ((10_000, 256), (100_000, 512))


def make_scene(count: int, side: int) -> dict[str, Any]:
    """`count` Gaussians in front of one camera, in the arguments of `rasterization`."""
    generator = torch.Generator().manual_seed(0)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    on_ground, on_balls = round(0.45 * count), round(0.40 * count)
    haze = count - on_ground - on_balls
    ground = torch.stack(
        [uniform(-2.2, 2.2, on_ground), 1 + 0.02 * normal(on_ground), uniform(1.5, 6.5, on_ground)], -1
    )
    centers = torch.stack([uniform(-1.6, 1.6, 8), uniform(0, 0.8, 8), uniform(2.6, 5.5, 8)], -1)
    radii = uniform(0.25, 0.6, 8)
    ball = torch.randint(8, (on_balls,), generator=generator)
    balls = centers[ball] + radii[ball, None] * torch.nn.functional.normalize(normal(on_balls, 3), dim=-1)
    air = torch.stack([uniform(-2.5, 2.5, haze), uniform(-2, 1, haze), uniform(2, 7, haze)], -1)

    area = 4.4 * 5 + float(4 * math.pi * (radii**2).sum())
    size = 0.8 * math.sqrt(area / (on_ground + on_balls)) * torch.exp(0.5 * normal(count))
    size[-haze:] *= 2
    axes = torch.stack([torch.ones(count), uniform(0.4, 1, count), uniform(0.05, 0.4, count)], -1)
    bands = torch.tensor([0.8] + [0.15] * 3 + [0.08] * 5 + [0.05] * 7)
    order = torch.randperm(count, generator=generator)
    focal = 0.5 * side / math.tan(math.radians(30))
    return {
        "means": torch.cat([ground, balls, air])[order],
        "quats": normal(count, 4),
        "scales": (size[:, None] * axes)[order],
        "opacities": torch.sigmoid(1.8 * normal(count)),
        "colors": normal(count, 16, 3) * bands[:, None],
        "viewmats": torch.eye(4)[None],
        "Ks": torch.tensor([[[focal, 0, side / 2], [0, focal, side / 2], [0, 0, 1]]]),
    }


def measure(rasterize: Callable, count: int, side: int, repeats: int) -> tuple[float, float]:
    """Minimum seconds of forward, and of forward with backward."""
    scene = make_scene(count, side)
    leaves = [scene[name].requires_grad_() for name in GRADIENTS]
    upstream = torch.randn(1, side, side, 3, generator=torch.Generator().manual_seed(1)) / side**2
    forward, both = math.inf, math.inf
    for _ in range(repeats):
        for leaf in leaves:
            leaf.grad = None
        start = time.perf_counter()
        images, _, _ = rasterize(**scene, width=side, height=side, sh_degree=3)
        middle = time.perf_counter()
        images.backward(upstream)
        forward, both = min(forward, middle - start), min(both, time.perf_counter() - start)
    return forward, both


def matrix_product(repeats: int = 10) -> float:
    """Minimum seconds of one 2048 x 2048 x 2048 float32 product."""
    a, b = torch.randn(2, 2048, 2048)
    least = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b)
        least = min(least, time.perf_counter() - start)
    return least


def lanes(count: int, side: int) -> tuple[int, int]:
    """The number of lanes evaluated forward and backward."""
    scene = make_scene(count, side)
    scene["means"].requires_grad_()
    images, _, _ = rasterization(**scene, width=side, height=side, sh_degree=3)
    saved: Any = images.grad_fn  # what `Composite` saved for backward
    bins, stops = saved.bins, saved.stops
    forward, backward = _rows(bins.records, bins.tile_starts, bins.ids, bins.tiles_x, stops[0], LANE_CENTERS)
    return forward * WIDTH, backward * WIDTH


@njit
def _rows(records, tile_starts, ids, tiles_x, stops, lane_centres):
    """Rows of tiles that `compositing` evaluates for one image: those reached by a splat and not yet opaque."""
    height, lane, row_stops = len(stops), load(lane_centres, 0), np.empty(TILE, np.float32)
    forward, backward = 0, 0
    for tile in range(len(tile_starts) - 1):
        top, left = tile // tiles_x * TILE, tile % tiles_x * TILE
        row_stops[:] = -1
        for row in range(min(TILE, height - top)):
            row_stops[row] = stops[top + row, left : left + TILE].max()
        for order in range(tile_starts[tile + 1] - tile_starts[tile]):
            splat = records[ids[tile_starts[tile] + order]]
            first_dx, centre_y = np.float32(left + 0.5) - splat[X], splat[Y] - np.float32(top)
            rows = _reached(lane, first_dx, centre_y, splat[HALF_A], splat[SHEAR], splat[HALF_K], splat[REACH])
            while rows != 0:
                stop = row_stops[lowest(rows)]
                rows &= rows - 1
                forward += stop >= order - order % CHECK_EVERY
                backward += stop > order
    return forward, backward


@njit(nogil=True, error_model="numpy")
def _multiply_add(first, last, numbers, rounds, sums):
    """Make `rounds` multiply-adds in each of twelve vectors of sixteen sums; twelve are enough to hide the latency."""
    x, y = load(numbers, 0), load(numbers, WIDTH)
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11 = x, x, x, x, x, x, x, x, x, x, x, x
    for _ in range(rounds):
        a0, a1, a2, a3 = a0 * x + y, a1 * x + y, a2 * x + y, a3 * x + y
        a4, a5, a6, a7 = a4 * x + y, a5 * x + y, a6 * x + y, a7 * x + y
        a8, a9, a10, a11 = a8 * x + y, a9 * x + y, a10 * x + y, a11 * x + y
    store(sums, first * WIDTH, a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11)


def multiply_add_peak(repeats: int = 10, rounds: int = 2_000_000) -> float:
    """Maximum floating point operations per second of all threads in fused multiply-adds; each counts as two."""
    threads = torch.get_num_threads()
    numbers, sums = np.full(2 * WIDTH, 0.5, np.float32), np.empty(threads * WIDTH, np.float32)
    run(_multiply_add, np.arange(threads + 1), numbers, 1, sums)
    least = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        run(_multiply_add, np.arange(threads + 1), numbers, rounds, sums)
        least = min(least, time.perf_counter() - start)
    return 2 * 12 * WIDTH * rounds * threads / least


def peak_memory(count: int, side: int, threads: int, answer: "multiprocessing.Queue[float]") -> None:
    """Put the peak memory in MB of one forward and backward, in addition to the inputs, into the queue."""
    torch.set_num_threads(threads)
    measure(rasterization, 100, 16, 1)
    scene = make_scene(count, side)
    upstream = torch.ones(1, side, side, 3)
    for name in GRADIENTS:
        scene[name].requires_grad_()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak to the current use
    before = status("VmRSS")
    images, _, _ = rasterization(**scene, width=side, height=side, sh_degree=3)
    images.backward(upstream)
    answer.put((status("VmHWM") - before) / 1e3)


def status(name: str) -> int:
    """A field of /proc/self/status in kilobytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--reference-repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-large-reference", action="store_true", help="skip the reference at 100k / 512 (10 GB)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    load = "/".join(f"{x:.1f}" for x in os.getloadavg()) if hasattr(os, "getloadavg") else "unknown"
    print(
        f"{processor()}, {os.cpu_count()} CPUs, {options.threads} threads used, load {load}, torch {torch.__version__}"
    )
    begin = time.perf_counter()
    measure(rasterization, 100, 16, 1)
    print(f"first call, compiling or reading the cache: {time.perf_counter() - begin:.1f} s")
    unit = matrix_product()
    print(f"unit, one 2048^3 float32 product: {unit * 1e3:.1f} ms\n")

    print(
        "| Gaussians / pixels | forward ms | + backward ms | in units | reference ms | + backward ms | times faster |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- |")
    seconds = {}
    for count, side in WORK:
        forward, both = seconds[count, side] = measure(rasterization, count, side, options.repeats)
        row = f"| {count // 1000}k / {side}² | {forward * 1e3:.1f} | {both * 1e3:.1f} | {both / unit:.2f} |"
        if (count, side) in REFERENCE_WORK and not (options.no_large_reference and count > 10_000):
            slow = measure(reference.rasterization, count, side, options.reference_repeats)
            row += f" {slow[0] * 1e3:.0f} | {slow[1] * 1e3:.0f} | {slow[0] / forward:.0f} / {slow[1] / both:.0f} |"
        else:
            row += " | | |"
        print(row, flush=True)

    peak = multiply_add_peak()
    print(f"\npeak of fused multiply-adds: {peak / 1e9:.0f} GFLOP/s\n")
    print("| Gaussians / pixels | Mlanes forward | backward | Mlanes/s forward | both | % of peak forward | both |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for (count, side), (forward, both) in seconds.items():
        fore, back = lanes(count, side)
        flops = fore * FORWARD_FLOPS, fore * FORWARD_FLOPS + back * BACKWARD_FLOPS
        row = f"| {count // 1000}k / {side}² | {fore / 1e6:.1f} | {back / 1e6:.1f} | {fore / forward / 1e6:.0f} "
        row += f"| {(fore + back) / both / 1e6:.0f} "
        row += f"| {100 * flops[0] / forward / peak:.1f} | {100 * flops[1] / both / peak:.1f} |"
        print(row, flush=True)

    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    count, side = WORK[-1]
    worker = context.Process(target=peak_memory, args=(count, side, options.threads, answer))
    worker.start()
    print(f"\npeak memory besides the inputs, {count // 1000}k / {side}², both: {answer.get():.0f} MB", flush=True)
    worker.join()

    unit_after = matrix_product()
    if abs(unit_after / unit - 1) > 0.1:
        print(f"\nThe unit is now {unit_after * 1e3:.1f} ms: other programs ran meanwhile; times are unreliable.")


if __name__ == "__main__":
    main()
