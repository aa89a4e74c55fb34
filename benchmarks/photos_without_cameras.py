"""Compares found cameras with known ones, on captures whose cameras are taken away.

    python benchmarks/photos_without_cameras.py --re10k DIR --only 0bf152ef84195293 --colmap DIR [--steps 300]

`--re10k` is a folder with RealEstate10K clips in `reference_videos` and their poses in `pose_files`; `--colmap` is one
or more folders with a COLMAP model and its images. After the best similarity, prints for each capture: cameras found,
the mean error of their rotations in degrees, the mean error of their positions relative to the largest distance of a
camera from the mean center, the error of the focal length, seconds, and, with `--steps`, the PSNR in dB of held-out
frames after a fit of so many steps with the true cameras and with the found ones.
"""

import argparse
import re
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from recon.capture import Capture, from_realestate10k, load_capture
from recon.fitting.fitting import fit
from recon.fitting.settings import settings_for
from recon.poses import find_cameras, solved_capture
from recon.starting_points import initial_points
from trajectories.cameras import Cameras
from trajectories.formats.colmap import read_model
from trajectories.geometry import extent


def errors(found: Cameras, true: Cameras) -> tuple[float, float]:
    """Mean rotation error in degrees and mean position error over the extent, after the best similarity."""
    R = Rotation.from_matrix(true.R @ np.swapaxes(found.R, -1, -2)).mean()
    a, b = (centers - centers.mean(axis=0) for centers in (found.centers @ R.as_matrix().T, true.centers))
    scale = (a * b).sum() / (a * a).sum()
    turns = Rotation.from_matrix(R.as_matrix() @ found.R @ np.swapaxes(true.R, -1, -2)).magnitude()
    return float(np.degrees(turns).mean()), float(np.linalg.norm(scale * a - b, axis=1).mean()) / extent(true)


def psnr(capture: Capture, steps: int) -> float:
    """PSNR of held-out frames after a short fit at 384 pixels; the starting points are found anew."""
    shrink = min(1.0, 384 / max(capture.cameras.width, capture.cameras.height))
    size = [round(shrink * side) for side in (capture.cameras.width, capture.cameras.height)]
    capture = replace(capture.resized(*size), points=None)
    generator = torch.Generator().manual_seed(0)
    settings = replace(settings_for(capture, quality="draft"), steps=steps, hold_out=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        points = initial_points(capture, generator=generator)
    return float(fit(capture, points, settings, generator=generator).metrics["held_out"]["psnr"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--re10k", type=Path)
    parser.add_argument("--only", nargs="+", default=[], help="names of clips")
    parser.add_argument("--colmap", type=Path, nargs="+", default=[])
    parser.add_argument("--steps", type=int, default=0)
    args = parser.parse_args()
    captures = [(folder / "images", load_capture(folder)) for folder in args.colmap]
    for name in args.only if args.re10k else ():
        video = args.re10k / "reference_videos" / f"{name}.mp4"
        captures.append((video, from_realestate10k(video, args.re10k / "pose_files" / f"{name}.txt")))
    print("| capture | cameras | rotation, degrees | position / extent | focal length | s | PSNR, true | found |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for path, true in captures:
        name = path.parent.name if path.is_dir() else path.stem
        with tempfile.TemporaryDirectory() as folder:
            begin = time.perf_counter()
            try:
                find_cameras(path, Path(folder) / "work")
            except ValueError as error:
                print(f"| {name} | {error} |", flush=True)
                continue
            seconds = time.perf_counter() - begin
            found = solved_capture(Path(folder) / "work")
            names = read_model(Path(folder) / "work").names
            indices = [int(re.split(r"\D", Path(each).name)[0]) for each in names]
            same = true.subset(indices)
            rotation, position = errors(found.cameras, same.cameras)
            focal = float(np.median(found.cameras.K[:, 0, 0] / same.cameras.K[:, 0, 0])) - 1
            fits = [f"{psnr(each, args.steps):.2f}" if args.steps else "" for each in (same, found)]
        print(
            f"| {name} | {len(found)} of {len(true)} | {rotation:.2f} | {position:.3f} | {focal:+.1%} | "
            f"{seconds:.0f} | {' | '.join(fits)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
