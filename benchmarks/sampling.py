"""Measures how sampling time grows with the number of videos, with the paper's schedule and with a fixed one.

    python benchmarks/sampling.py [--model DIR] [--frames 8] [--steps 4] [--views 2 4 6 8 12] [--threads 2]

For each number of videos V it prints passes, network calls, seconds in total, and seconds per video and pass: first
with the paper's R and Q, which grow with V, then with R = 4 and Q = 1. With the fixed schedule the last column should
not grow with V. A short run before is a warm-up.
"""

import argparse
import time
from pathlib import Path

import torch

from cvd3d.sampling import load_pipeline
from cvd3d.sampling.matchings import default_schedule
from trajectories import make_rig


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--views", type=int, nargs="+", default=[2, 4, 6, 8, 12])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    pipeline = load_pipeline(args.model)
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    pipeline.unet.register_forward_pre_hook(count)

    def run(views: int, R: int, Q: int, steps: int) -> float:
        rig = make_rig("orbit", views, args.frames)
        start = time.perf_counter()
        pipeline(
            "a red cube on green grass", rig, num_inference_steps=steps, recurrences=R, matchings=Q,
            generator=torch.Generator().manual_seed(0), progress=False,
        )  # fmt: skip
        return time.perf_counter() - start

    run(2, 1, 1, 2)
    print(f"{args.frames} frames, {args.steps} steps, {args.threads} threads")
    print("   V   R   Q  passes   calls  seconds  seconds per video and pass")
    for schedule in (default_schedule, lambda views: (4, 1)):
        for views in args.views:
            R, Q = schedule(views)
            calls = 0
            seconds = run(views, R, Q, args.steps)
            passes = (args.steps - 1) * R + 1
            print(
                f"{views:4} {R:3} {Q:3} {passes:7} {calls:7} {seconds:8.2f} {seconds / passes / views:12.4f}",
                flush=True,
            )
        print()


if __name__ == "__main__":
    main()
