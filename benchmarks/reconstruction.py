"""Measures quality and time of fits to real captures, on held-out frames.

    python benchmarks/reconstruction.py --re10k DIR --colmap DIR [--quality normal] [--set steps=3000 densify=mcmc]

`--re10k` is a folder with RealEstate10K clips in `reference_videos` and their poses in `pose_files`; `--colmap` is one
or more folders with a COLMAP model and its images, or nerfstudio datasets. Every `--hold-out`-th frame is held out and
used for evaluation. Prints a table with one row per capture: frames, PSNR in dB and SSIM of held-out frames, seconds of
the starting points and of the fit, and the number of splats. `--set` changes single settings of the fit.
"""

import argparse
import dataclasses
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.capture import Capture, from_realestate10k, load_capture
from recon.fitting.fitting import fit
from recon.fitting.settings import QUALITIES, FitSettings, settings_for
from recon.starting_points import initial_points


def captures(re10k: Path | None, folders: list[Path], only: list[str]) -> Iterator[tuple[str, Capture]]:
    """Names and captures; only those named in `only` if it is not empty."""
    for video in sorted((re10k / "reference_videos").glob("*.mp4")) if re10k else ():
        if not only or video.stem in only:
            assert re10k is not None
            yield video.stem, from_realestate10k(video, re10k / "pose_files" / f"{video.stem}.txt")
    for folder in folders:
        if not only or folder.name in only:
            yield folder.name, load_capture(folder)


def changed(settings: FitSettings, changes: list[str]) -> FitSettings:
    """The settings with changes of the form `name=value`."""
    values: dict[str, Any] = {}
    for change in changes:
        name, text = change.split("=", 1)
        kind = type(getattr(settings, name))
        kind = float if kind is type(None) else kind
        values[name] = text.lower() in ("1", "true") if kind is bool else kind(text)
    return dataclasses.replace(settings, **values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--re10k", type=Path)
    parser.add_argument("--colmap", type=Path, nargs="+", default=[])
    parser.add_argument("--only", nargs="+", default=[], help="names of captures")
    parser.add_argument("--quality", choices=QUALITIES, default="normal")
    parser.add_argument("--hold-out", type=int, default=8)
    parser.add_argument("--longest-side", type=int, default=768)
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    load = "/".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"{args.quality} {' '.join(args.set)}, {args.threads} threads, load {load}")
    print("| capture | frames | PSNR dB | SSIM | points s | fit s | splats |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    scores = []
    for name, capture in captures(args.re10k, args.colmap, args.only):
        shrink = min(1.0, args.longest_side / max(capture.cameras.width, capture.cameras.height))
        capture = capture.resized(*(round(shrink * side) for side in (capture.cameras.width, capture.cameras.height)))
        settings = dataclasses.replace(settings_for(capture, quality=args.quality), hold_out=args.hold_out)
        settings = changed(settings, args.set)
        generator = torch.Generator().manual_seed(0)
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            points = initial_points(capture, generator=generator)
        middle = time.perf_counter()
        result = fit(capture, points, settings, generator=generator)
        end = time.perf_counter()
        measured = result.metrics["held_out"]
        scores.append((measured["psnr"], measured["ssim"], middle - begin, end - middle))
        size = f"{len(capture)} of {capture.cameras.width}x{capture.cameras.height}"
        print(
            f"| {name} | {size} | {measured['psnr']:.2f} | {measured['ssim']:.3f} | {middle - begin:.0f} | "
            f"{end - middle:.0f} | {len(result.splats)} |",
            flush=True,
        )
    if len(scores) > 1:
        psnr, ssim, points_s, fit_s = np.mean(scores, axis=0)
        print(f"| mean | | {psnr:.2f} | {ssim:.3f} | {points_s:.0f} | {fit_s:.0f} | |")


if __name__ == "__main__":
    main()
