"""Times the loss and the optimizer of a fit, compared with plain torch.

    python benchmarks/loss.py [--side 512] [--splats 100000] [--repeats 10] [--threads 2]

The loss is L1 and SSIM with its gradient: `recon.fitting.metrics.photometric_loss` is compared with torch's
convolutions, separable and with channels as groups, the fastest form that we know. The optimizer's step is over splats
with spherical harmonics of degree 3: fused Adam, as in the fit, is compared with torch's plain Adam. Milliseconds are
the minimum of alternating repeats; the differences show that both compute the same.
"""

import argparse
import math
import os
import time
from collections.abc import Callable

import torch
from rasterizer import processor
from torch import Tensor

from recon.fitting.metrics import photometric_loss, ssim

SIZES = {"means": (3,), "scales": (3,), "quats": (4,), "opacities": (), "sh0": (1, 3), "shN": (15, 3)}


def plain_loss(image: Tensor, target: Tensor, weight: float = 0.2) -> Tensor:
    """`photometric_loss` in plain torch."""
    return (1 - weight) * (image - target).abs().mean() + weight * (1 - ssim(image, target))


def loss_call(loss: Callable[[Tensor, Tensor], Tensor], side: int) -> Callable[[], Tensor]:
    """A function that computes the loss of two images and returns its gradient."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(side, side, 3, generator=generator)
    target = (image + 0.1 * torch.randn(side, side, 3, generator=generator)).clamp(0, 1)
    image.requires_grad_()
    return lambda: torch.autograd.grad(loss(image, target), image)[0]


def adam_call(fused: bool, splats: int) -> Callable[[], Tensor]:
    """A function that makes one step with one optimizer per parameter, and returns one of the parameters."""
    generator = torch.Generator().manual_seed(0)
    parameters = {
        name: torch.nn.Parameter(torch.randn(splats, *size, generator=generator)) for name, size in SIZES.items()
    }
    for parameter in parameters.values():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizers = [torch.optim.Adam([p], lr=1e-3, eps=1e-15, fused=fused) for p in parameters.values()]

    def step() -> Tensor:
        for optimizer in optimizers:
            optimizer.step()
        return parameters["shN"].detach()

    return step


def compare(what: str, ours: Callable[[], Tensor], plain: Callable[[], Tensor], repeats: int) -> None:
    """Time two functions alternately and print a row of a table."""
    seconds = {ours: math.inf, plain: math.inf}
    results = {}
    for _ in range(repeats + 1):  # the first one is a warm-up
        for call in seconds:
            start = time.perf_counter()
            results[call] = call()
            seconds[call] = min(seconds[call], time.perf_counter() - start)
    difference = (results[ours] - results[plain]).abs().max() / results[plain].abs().max()
    milliseconds = [1e3 * seconds[call] for call in (ours, plain)]
    ratio = milliseconds[1] / milliseconds[0]
    print(f"| {what} | {milliseconds[0]:.1f} | {milliseconds[1]:.1f} | {ratio:.1f} | {difference:.0e} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--splats", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    print(f"{processor()}, {os.cpu_count()} CPUs, {options.threads} threads used, torch {torch.__version__}\n")
    print("| work | ours ms | torch ms | times faster | largest difference, relative |")
    print("| --- | --- | --- | --- | --- |")
    side, splats = options.side, options.splats
    loss = f"L1 and SSIM with gradient, {side}²"
    compare(loss, loss_call(photometric_loss, side), loss_call(plain_loss, side), options.repeats)
    compare(f"Adam, {splats // 1000}k splats", adam_call(True, splats), adam_call(False, splats), options.repeats)


if __name__ == "__main__":
    main()
