"""Measures the cost of cameras and cross-view modules at the size of SD 1.5, and compares the module with a plain one.

    python benchmarks/cross_view.py [--frames 16] [--side 32] [--repeats 1] [--threads 2] [--no-network]

The first part times the cross-view module alone at 32 x 32 features of 320 channels, and the same module in plain
operations, which computes the mask again in each of its two attention layers and repeats it over the heads. It prints
seconds and the peak memory in addition to the inputs, each measured in a separate process.

The second part times one network call for a pair of videos with random float32 weights (256 pixels are 32 x 32
latents): AnimateDiff alone, with cameras, and with cameras and cross-view modules. It prints the minimum of the
repeats, which are interleaved, and the ratios. Pose features and masks are computed before, as in the sampler. The full
network needs about 10 GB.
"""

import argparse
import gc
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate import init_empty_weights
from torch import Tensor

from cvd3d.model.cross_view import CrossViewModule
from cvd3d.model.epipolar import epipolar_bias
from cvd3d.model.unet import CollaborativeUNet
from trajectories import Cameras, make_rig


def a_pair(frames: int, side: int) -> Cameras:
    """(2, frames) cameras of the paper's circle."""
    return make_rig("circle", 2, frames, width=8 * side, height=8 * side).cameras


def random_network() -> CollaborativeUNet:
    """A network of the released sizes with random weights."""
    with init_empty_weights():
        network = CollaborativeUNet()
    generator = torch.Generator().manual_seed(0)
    state = {
        name: 0.02 * torch.randn(tensor.shape, generator=generator) if tensor.is_meta else tensor
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


def network_calls(frames: int, side: int, repeats: int) -> None:
    """Time the three kinds of network call."""
    network = random_network()
    z, text = torch.randn(2, 4, frames, side, side), torch.randn(2, 77, 768)
    geometry = network.geometry(a_pair(frames, side), None, side, side)
    unpaired = network.geometry(a_pair(frames, side), torch.full((2,), -1), side, side)
    kinds: dict[str, Callable[[], Tensor]] = {
        "AnimateDiff": lambda: network(z, 500, text),
        "with cameras": lambda: network(z, 500, text, unpaired),
        "with cameras and cross-view": lambda: network(z, 500, text, geometry),
    }
    seconds = {name: float("inf") for name in kinds}
    for _ in range(repeats):
        for name, call in kinds.items():
            start = time.perf_counter()
            call()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    base = seconds["AnimateDiff"]
    print(f"one network call, 2 videos of {frames} frames, {side}x{side} latents")
    for name, taken in seconds.items():
        print(f"  {name:<28} {taken:7.2f} s   {taken / base:.2f}", flush=True)


def plain(module: CrossViewModule, x: Tensor, partners: Tensor, mask: Callable[[], Tensor]) -> Tensor:
    """The module in plain operations, with the mask computed in each attention layer and repeated over the heads."""
    V, T, C, h, w = x.shape
    heads = module.attn1.heads
    y = module.proj_in(module.norm(x.reshape(V * T, C, h, w)).flatten(2).transpose(1, 2))
    for norm, attention in ((module.norm1, module.attn1), (module.norm2, module.attn2)):
        z = norm(y)
        context = z.unflatten(0, (V, T))[partners].flatten(0, 1)
        q, k, v = (
            project(t).unflatten(-1, (heads, -1)).transpose(1, 2).reshape(V * T * heads, h * w, -1)
            for project, t in ((attention.to_q, z), (attention.to_k, context), (attention.to_v, context))
        )
        bias = mask().reshape(V * T, h * w, h * w).repeat_interleave(heads, dim=0)
        scores = (q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias).softmax(dim=-1)
        out = (scores @ v).unflatten(0, (V * T, heads)).transpose(1, 2).flatten(-2)
        y = y + attention.to_out(out)
    y = y + module.ff(module.norm3(y))
    return x + module.proj_out(y).transpose(1, 2).reshape(x.shape)


def status(name: str) -> int:
    """A field of /proc/self/status in kilobytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def module_call(
    ours: bool, frames: int, side: int, repeats: int, threads: int, answer: "multiprocessing.Queue"
) -> None:
    """Time one form of the module and measure its memory; equal mean squares of the output show that both agree."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    module = CrossViewModule(320, 8).eval().requires_grad_(False)
    torch.nn.init.normal_(module.proj_out.weight, std=0.02)
    x, partners = torch.randn(2, frames, 320, side, side), torch.tensor([1, 0])
    cameras = a_pair(frames, side)
    angles = np.full(cameras.shape, np.pi / 2)

    def mask() -> Tensor:
        return epipolar_bias(cameras, cameras[[1, 0]], side, side, angles)

    bias = mask()
    forms = {True: lambda: module(x, partners, bias), False: lambda: plain(module, x, partners, mask)}
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # reset the peak to the current use
    before = status("VmRSS")
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        out = forms[ours]()
        seconds.append(time.perf_counter() - start)
    answer.put((min(seconds), (status("VmHWM") - before) / 1e6, float(out.square().mean())))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-network", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    context = multiprocessing.get_context("spawn")
    results = {}
    for name, ours in (("plain", False), ("ours", True)):
        answer = context.Queue()
        worker = context.Process(
            target=module_call, args=(ours, args.frames, args.side, 1 + args.repeats, args.threads, answer)
        )
        worker.start()
        results[name] = answer.get()
        worker.join()
    print(
        f"the cross-view module alone, {args.side}x{args.side} features of 320 channels, 2 videos of {args.frames} "
        "frames"
    )
    for name, (seconds, memory, square) in results.items():
        print(f"  {name:<6} {seconds:7.3f} s   {memory:6.2f} GB besides the inputs   (mean square {square:.6f})")
    (slow, large, _), (fast, small, _) = results["plain"], results["ours"]
    print(f"  {slow / fast:.1f} times faster, {large / max(small, 1e-6):.1f} times less memory\n", flush=True)
    if not args.no_network:
        network_calls(args.frames, args.side, args.repeats)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
