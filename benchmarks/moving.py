"""Compares moving with static splats on synthetic moving scenes, with ground truth from held-out cameras.

    python benchmarks/moving.py [--views 8] [--frames 16] [--size 128] [--steps 1500] [--knots 8] [--instants 3]

Renders three scenes of the procedural world (a bouncing ball, a spinning cube, a driving car), each from cameras on a
quarter of a circle; two of the cameras are held out of every fit. Prints the PSNR in dB of the held-out cameras over
all instants: of whole images, of the pixels that change at any time ("moves"), and of the others ("rest"), for
  moving       one fit of moving splats to all instants,
  still        one fit of static splats to all instants,
  instant n    a fit of static splats to one instant, evaluated there, with as many steps as the fits above,
  equal work   the same with the steps divided by the number of instants, so that all instants together cost as much as
               the moving fit.
The first two start from the same points, those of a middle instant and of all frames; the others from the points of
their instant.

For moving splats it prints the number of splats with paths and how well moving splats are detected. "found" is the
share with paths among the splats that project to changing pixels in at least half of the cameras; "false" is the share
with paths among those that project to changing pixels in no camera. The other splats may be behind what moves.
"""

import argparse
import math
import time
from dataclasses import replace

import numpy as np
import torch

from cvd3d.training.world.render import render as draw
from cvd3d.training.world.scenes import BOUNCING, DRIVING, SPINNING, Object, World
from recon.capture import Capture, Pixels
from recon.fitting.fitting import fit
from recon.fitting.settings import FitSettings
from recon.points import PointCloud, thinned
from recon.render import render
from recon.splats import MovingSplats
from recon.starting_points import initial_points
from trajectories import Cameras, Rig, intrinsics_from_fov, look_at

SCENES = {
    "ball": World(
        (Object("ball", "red", (0.0, 0.0), 0.0, 1.3, BOUNCING), Object("tree", "green", (1.2, 0.6), 0.0, 1.0))
    ),
    "cube": World((Object("cube", "blue", (0.0, 0.0), 0.0, 1.3, SPINNING),), ground="sand"),
    "car": World((Object("car", "yellow", (0.0, 0.0), math.radians(20), 1.3, DRIVING),), ground="road"),
}


def an_arc(views: int, frames: int, size: int) -> Rig:
    """Fixed cameras on a quarter of a circle around the subject."""
    azimuth = np.radians(np.linspace(-135, -45, views))
    level, height = 4.5 * math.cos(math.radians(20)), 4.5 * math.sin(math.radians(20))
    places = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.full(views, 0.6 + height)], axis=-1)
    c2w = np.repeat(look_at(places, (0.0, 0.0, 0.6))[:, None], frames, axis=1)
    K = intrinsics_from_fov(math.radians(50), size, size)
    return Rig(Cameras(c2w, K, size, size), np.arange(frames) / 8, tuple(f"cam{v:02d}" for v in range(views)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--knots", type=int, default=8)
    parser.add_argument("--instants", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--points", type=int, default=10_000, help="maximum number of starting points")
    parser.add_argument("--scenes", nargs="+", default=list(SCENES), choices=list(SCENES))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print("scene   fit          whole   moves    rest   seconds   splats   moving   found   false")
    for name in args.scenes:
        compare(name, SCENES[name], args)


def compare(name: str, world: World, args: argparse.Namespace) -> None:
    """Run and report all fits of one scene."""
    rig = an_arc(args.views, args.frames, args.size)
    images = draw(world, rig.cameras, rig.times)
    held_out = [args.views // 4, 3 * args.views // 4]
    fitted = [v for v in range(args.views) if v not in held_out]
    truth = images[held_out]
    moves = np.ptp(images.astype(int), axis=1).max(-1) > 24  # (views, H, W), over time

    def capture_of(frames: list[int]) -> Capture:
        return Capture(
            rig.cameras[np.ix_(fitted, frames)].reshape(-1),
            np.tile(rig.times[frames], len(fitted)),
            tuple(rig.names[v] for v in fitted for _ in frames),
            tuple(Pixels(images[v, t]) for v in fitted for t in frames),
        )

    def generator() -> torch.Generator:
        return torch.Generator().manual_seed(0)

    every, middle = list(range(args.frames)), args.frames // 2
    clouds = [initial_points(capture_of(frames), generator=generator()) for frames in ([middle], every)]
    points = thinned(clouds[0] + clouds[1], args.points, generator())
    settings = FitSettings(steps=args.steps, hold_out=0)

    def report(kind: str, capture: Capture, settings: FitSettings, frames: list[int], start: PointCloud) -> None:
        begin = time.perf_counter()
        result = fit(capture, start, settings, generator=generator())
        seconds = time.perf_counter() - begin
        errors = []
        for t in frames:
            rendered = render(result.splats.at(float(rig.times[t])), rig.cameras[held_out, t]).numpy()
            errors.append((rendered - truth[:, t] / 255) ** 2)
        by_pixel = np.stack(errors, axis=-1).mean(axis=(-1, -2))  # over instants and colors
        mask = moves[held_out]
        whole, moving, rest = (-10 * np.log10(each.mean()) for each in (by_pixel, by_pixel[mask], by_pixel[~mask]))
        found = ""
        if isinstance(result.splats, MovingSplats):
            found = "{:9.2f} {:7.2f}".format(*found_movers(result.splats, rig, moves))
        print(
            f"{name:<7} {kind:<12} {whole:5.2f} {moving:7.2f} {rest:7.2f} {seconds:9.1f} "
            f"{result.metrics['splats']:8} {result.metrics['moving']:8}{found}",
            flush=True,
        )

    report("moving", capture_of(every), replace(settings, knots=args.knots), every, points)
    report("still", capture_of(every), settings, every, points)
    divided = replace(settings, steps=max(1, args.steps // args.frames))
    for t in np.linspace(0, args.frames - 1, args.instants).round().astype(int).tolist():
        capture = capture_of([t])
        start = thinned(initial_points(capture, generator=generator()), args.points, generator())
        report(f"instant {t}", capture, settings, [t], start)
        report("equal work", capture, divided, [t], start)


def found_movers(splats: MovingSplats, rig: Rig, moves: np.ndarray) -> tuple[float, float]:
    """The shares of splats with paths among those that truly move and among the static ones.

    Args:
        splats: N Gaussians.
        rig: V fixed cameras.
        moves: (V, H, W) mask of the pixels that change.
    """
    has_path = np.zeros(len(splats), dtype=bool)
    has_path[splats.moving.numpy()] = True
    moving_views = np.zeros(len(splats))  # cameras in which a splat projects to a changing pixel
    for view, mask in enumerate(moves):
        pixels, depths = rig.cameras[view, 0].project(splats.rest.means.double().numpy())
        inside = rig.cameras.contains(pixels, depths)
        x, y = np.where(inside[:, None], pixels, 0).astype(int).T
        moving_views += inside & mask[y, x]
    return has_path[moving_views >= rig.views / 2].mean(), has_path[moving_views == 0].mean()


if __name__ == "__main__":
    main()
