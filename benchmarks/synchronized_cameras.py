"""Fits moving splats to four synchronized videos of a walking man, and evaluates them at held-out instants.

    python benchmarks/synchronized_cameras.py FOLDER [--every 4] [--width 320] [--steps 2000] [--picture FILE]

FOLDER holds four synchronized videos of Pose2Sim's demonstration, cam01.mp4 and so on, and cameras.json, a list of
`name`, `K` (OpenCV convention: the center of the first pixel is 0), `dist` (k1 k2 p1 p2), `R_w2c` and `t_w2c` in
meters. The world is z up.

Every `--every`-th frame is an instant; every eighth instant is held out in all cameras. Prints the PSNR in dB over
whole images and over the pixels that change, at the held-out instants and at the fitted instants before them, of
  moving       one fit of moving splats to all instants that are not held out,
  still        one fit of static splats to the same instants,
  nearest      fits of static splats to each instant before a held-out one, with as many steps.
No camera is held out: the cameras are about 90 degrees apart, so surfaces that only one of them shows have no known
depth. The picture has renders from viewpoints between two cameras, which show this.

Such cameras have hardly any matches. The splats of the man start in the visual hull of the changing pixels, those of
the room at random depths along the rays of each camera.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from recon.capture import Capture, Pixels, Resized, Undistorted, read_video
from recon.fitting.fitting import FitResult, fit
from recon.fitting.settings import FitSettings
from recon.points import PointCloud
from recon.render import render
from trajectories import Cameras, look_at
from trajectories.geometry import focus_point
from trajectories.lens import Lens, pinhole_cameras

FRAMES_PER_SECOND = 60.0
MOVES = 24 / 255
"""A pixel moves if its values over time differ by more than this."""


def read_capture(folder: Path, every: int, width: int) -> Capture:
    """Undistorted images of all cameras, ordered by instant."""
    described = json.loads((folder / "cameras.json").read_text())
    lenses, c2w, clips = [], [], []
    height = width * 16 // 9
    for camera in described:
        clip = read_video(folder / f"{camera['name']}.mp4")[::every]
        K = np.array(camera["K"])
        lens = Lens(clip.shape[2], clip.shape[1], K[0, 0], K[1, 1], K[0, 2] + 0.5, K[1, 2] + 0.5, tuple(camera["dist"]))
        pictures = (Undistorted(Pixels(picture), lens) for picture in clip)
        clips.append([Pixels(Resized(picture, width, height).read()) for picture in pictures])
        w2c = np.eye(4)
        w2c[:3, :3], w2c[:3, 3] = camera["R_w2c"], camera["t_w2c"]
        lenses.append(lens)
        c2w.append(np.linalg.inv(w2c))
    views, instants = len(clips), min(map(len, clips))
    cameras = pinhole_cameras(np.stack(c2w), lenses, lambda n: str(described[n]["name"])).resized(width, height)
    return Capture(
        cameras[np.tile(np.arange(views), instants)],
        np.repeat(np.arange(instants) * every / FRAMES_PER_SECOND, views),
        tuple(camera["name"] for _ in range(instants) for camera in described),
        tuple(clip[t] for t in range(instants) for clip in clips),
    )


def starting_points(capture: Capture, views: int, instant: float, generator: np.random.Generator) -> PointCloud:
    """Points of the man in his visual hull at an instant, and of the room at random depths."""
    import cv2

    images = capture.images().reshape(-1, views, capture.cameras.height, capture.cameras.width, 3)
    usual = np.median(images, axis=0)
    now = images[np.argmin(np.abs(capture.times[::views] - instant))]
    cameras = capture.cameras[:views]
    moves = (np.ptp(images, axis=0).max(-1) > 2 * MOVES).astype(np.uint8)
    # The trunk hardly moves; closing fills it, since moving pixels surround it.
    filled = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (capture.cameras.width // 12 * 2 + 1,) * 2)
    swept = [cv2.morphologyEx(mask, cv2.MORPH_CLOSE, filled) > 0 for mask in moves]
    focus = focus_point(cameras)
    candidates = focus + generator.uniform(-1.5, 1.5, (400_000, 3))
    inside, colors = np.ones(len(candidates), dtype=bool), np.zeros((len(candidates), 3))
    for view in range(views):
        visible, moving = _look_up(cameras[view], candidates, swept[view])
        inside &= visible & moving
        _, color = _look_up(cameras[view], candidates, now[view])
        colors += color / views
    man = candidates[inside]
    chosen = generator.permutation(len(man))[:4000]
    room, room_colors = [], []
    for view in range(views):
        pixels = generator.uniform(0, 1, (2500, 2)) * [cameras.width, cameras.height]
        depths = np.exp(generator.uniform(np.log(1.0), np.log(10.0), (2500, 1)))
        origins, directions = cameras[view].rays(pixels)
        room.append(origins + depths * directions)
        x, y = np.floor(pixels).astype(int).T
        room_colors.append(usual[view][y, x])
    return PointCloud(
        np.concatenate([man[chosen], *room]),
        np.concatenate([colors[inside][chosen], *room_colors]),
        f"{len(chosen)} points of a visual hull, {2500 * views} at random depths",
    )


def _look_up(camera: Cameras, points: np.ndarray, picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether points (P, 3) are inside a camera's picture, and the picture's values at their pixels."""
    pixels, depths = camera.project(points)
    inside = (depths > 0.1) & camera.contains(pixels, depths)
    x, y = np.where(inside[:, None], pixels, 0).astype(int).T
    return inside, picture[y, x]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=4, help="stride of the frames, which are 60 per second")
    parser.add_argument("--width", type=int, default=320)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--knots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--picture", type=Path, help="a PNG to write: renders from cameras and between them")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    capture = read_capture(args.folder, args.every, args.width)
    views = len(set(capture.videos))
    instants = capture.times[::views]
    T = len(instants)
    held_out = list(range(4, T, 8))
    fitted = [t for t in range(T) if t not in held_out]
    frames = np.arange(len(capture)).reshape(T, views)
    moves = np.ptp(capture.images().reshape(T, views, *capture.image(0).shape), axis=0).max(-1) > MOVES
    points = starting_points(capture, views, instants[T // 2], np.random.default_rng(0))
    print(f"{T} instants of {views} cameras, {len(held_out)} held out; starts from {points.source}")
    print("fit        held out   moving pixels   fitted   moving pixels   seconds   splats   moving")

    def score(splats_of: dict[int, FitResult]) -> str:
        """PSNR at some instants, each with its own splats."""
        errors = []
        for t, result in splats_of.items():
            rendered = render(result.splats.at(float(instants[t])), capture.cameras[frames[t]]).numpy()
            errors.append((rendered - capture.images(frames[t])) ** 2)
        whole, moving = (-10 * np.log10(np.mean(each)) for each in (errors, [each[moves] for each in errors]))
        return f"{whole:8.2f} {moving:16.2f}"

    def run(chosen: list[int], settings: FitSettings) -> tuple[FitResult, float]:
        begin = time.perf_counter()
        start = starting_points(capture, views, instants[chosen[len(chosen) // 2]], np.random.default_rng(0))
        generator = torch.Generator().manual_seed(0)
        result = fit(capture.subset(frames[chosen].ravel()), start, settings, generator=generator)
        return result, time.perf_counter() - begin

    def report(kind: str, held: dict[int, FitResult], fitted: dict[int, FitResult], seconds: float) -> None:
        metrics = next(iter(fitted.values())).metrics
        print(
            f"{kind:<8} {score(held)} {score(fitted)} {seconds:10.0f} {metrics['splats']:8} {metrics['moving']:8}",
            flush=True,
        )

    settings = FitSettings(steps=args.steps, hold_out=0)
    before = [t - 1 for t in held_out]
    moving, seconds = run(fitted, replace(settings, knots=args.knots))
    report("moving", dict.fromkeys(held_out, moving), dict.fromkeys(before, moving), seconds)
    still, seconds = run(fitted, settings)
    report("still", dict.fromkeys(held_out, still), dict.fromkeys(before, still), seconds)
    single = {t: run([t], settings) for t in before}
    results = {t: result for t, (result, _) in single.items()}
    seconds = sum(seconds for _, seconds in single.values())
    report("nearest", {t + 1: result for t, result in results.items()}, results, seconds)
    if args.picture:
        draw(moving, capture, frames[held_out[0]], args.picture)


def draw(result: FitResult, capture: Capture, frames: np.ndarray, path: Path) -> None:
    """Draw one instant: images of the first two cameras, their renders, and renders between neighboring cameras."""
    from PIL import Image

    cameras = capture.cameras[frames]
    splats = result.splats.at(float(capture.times[frames[0]]))
    focus = focus_point(cameras)
    azimuths = np.argsort(np.arctan2(*(cameras.centers - focus)[:, 1::-1].T))
    pairs = [(azimuths[n], azimuths[(n + 1) % len(frames)]) for n in range(2)]
    between = np.stack([look_at(cameras.centers[list(pair)].mean(0), focus) for pair in pairs])
    row = [*capture.images(frames[:2]), *render(splats, cameras[:2]).numpy()]
    row += list(render(splats, Cameras(between, cameras.K[:2], cameras.width, cameras.height)).numpy())
    Image.fromarray(np.round(255 * np.concatenate(row, axis=1)).astype(np.uint8)).save(path)


if __name__ == "__main__":
    main()
