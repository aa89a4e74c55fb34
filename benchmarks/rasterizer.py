"""How fast the CPU rasterizer is, beside the plain torch reference, in one run.

    python benchmarks/rasterizer.py [--repeats 10] [--reference-repeats 1] [--threads 2] [--no-large-reference]

Prints milliseconds (the least of the repeats) forward and forward with backward, gradients to means, quaternions,
scales, opacities and spherical harmonics of degree 3; the same in units of one 2048 x 2048 x 2048 float32 matrix
product of torch on the same threads; and how many times faster than the reference. The scene is made here: a ground
of flat splats, eight balls of them and a haze, seen by one camera of 60 degrees, about 35 splats drawn at a pixel.
"""

import argparse
import math
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from recon.rasterize import rasterization, reference

WORK = ((10_000, 256), (10_000, 512), (100_000, 256), (100_000, 512))
REFERENCE_WORK = ((10_000, 256), (100_000, 512))


def make_scene(count: int, side: int) -> dict[str, Tensor]:
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
    centres = torch.stack([uniform(-1.6, 1.6, 8), uniform(0, 0.8, 8), uniform(2.6, 5.5, 8)], -1)
    radii = uniform(0.25, 0.6, 8)
    ball = torch.randint(8, (on_balls,), generator=generator)
    balls = centres[ball] + radii[ball, None] * torch.nn.functional.normalize(normal(on_balls, 3), dim=-1)
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
    """Least seconds forward, and forward with backward."""
    scene = make_scene(count, side)
    leaves = [scene[name].requires_grad_() for name in ("means", "quats", "scales", "opacities", "colors")]
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
    """Least seconds of one 2048 x 2048 x 2048 float32 product."""
    a, b = torch.randn(2, 2048, 2048)
    least = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, b)
        least = min(least, time.perf_counter() - start)
    return least


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--reference-repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-large-reference", action="store_true", help="spare the 10 GB that 100k / 512 needs there")
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
    for count, side in WORK:
        forward, both = measure(rasterization, count, side, options.repeats)
        row = f"| {count // 1000}k / {side}² | {forward * 1e3:.1f} | {both * 1e3:.1f} | {both / unit:.2f} |"
        if (count, side) in REFERENCE_WORK and not (options.no_large_reference and count > 10_000):
            slow = measure(reference.rasterization, count, side, options.reference_repeats)
            row += f" {slow[0] * 1e3:.0f} | {slow[1] * 1e3:.0f} | {slow[0] / forward:.0f} / {slow[1] / both:.0f} |"
        else:
            row += " | | |"
        print(row, flush=True)
    unit_after = matrix_product()
    if abs(unit_after / unit - 1) > 0.1:
        print(f"\nThe unit is now {unit_after * 1e3:.1f} ms: something else ran meanwhile, so read with care.")


if __name__ == "__main__":
    main()
