"""Make the README's animation from a finished scene folder: its videos and a flight around its splats.

    python docs/make_film.py scenes/first docs/images/film.webp

The animation loops: the videos play forward and backward, and the camera flies around the subject once.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from recon.flights import Subject, orbit
from recon.render import render
from recon.splats import Splats
from recon.splats.ply import load_splats
from trajectories import Cameras, load_rig

FRAMES, FPS = 90, 15
TARGET, RADIUS, ELEVATION = (0.0, 0.0, 0.6), 4.2, 18.0  # meters, meters, degrees
WIDTH = 640
LIMIT = 3 << 20  # bytes


def film(scene: Path) -> list[Image.Image]:
    """The frames of the film."""
    rig, splats = load_rig(scene / "rig.json"), load_splats(scene / "splats.ply")
    shown = min(rig.views, 4)
    side = WIDTH // shown
    forward_and_backward = [*range(rig.frames), *range(rig.frames - 2, 0, -1)]
    subject = Subject(np.array(TARGET), RADIUS, np.radians(-90.0), np.radians(ELEVATION), 0.0, np.radians(50.0))
    cameras = orbit(subject, FRAMES, WIDTH, WIDTH // 2)
    pages = []
    for n in range(FRAMES):
        t = forward_and_backward[n % len(forward_and_backward)]
        page = Image.new("RGB", (WIDTH, side + WIDTH // 2), "white")
        for v, name in enumerate(rig.names[:shown]):
            with Image.open(scene / "images" / name / f"{t:05d}.png") as picture:
                page.paste(picture.convert("RGB").resize((side - 4, side - 4), Image.Resampling.LANCZOS), (v * side, 0))
        page.paste(Image.fromarray(_pixels(splats, cameras[n : n + 1])), (0, side))
        pages.append(page)
    return pages


def _pixels(splats: Splats, cameras: Cameras) -> np.ndarray:
    return (render(splats, cameras)[0].clamp(0, 1).numpy() * 255).round().astype(np.uint8)


def main() -> None:
    """Write the film at the best quality whose file is not larger than `LIMIT`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    first, *others = film(args.scene)
    for quality in (90, 80, 70, 60, 50):
        first.save(
            args.out, save_all=True, append_images=others, duration=1000 // FPS, loop=0, quality=quality, method=6
        )
        if args.out.stat().st_size <= LIMIT:
            break
    print(f"{args.out}: {len(others) + 1} frames, {args.out.stat().st_size / 1e6:.1f} MB, quality {quality}")


if __name__ == "__main__":
    main()
