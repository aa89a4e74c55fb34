"""Make the README's pictures from a finished scene folder.

    python docs/make_pictures.py scenes/first docs/images

Writes `videos_and_splats.png` (each video at four instants, the splats from the same cameras, and the splats from new
viewpoints) and `viewer.png` (the page of `cvd3d view`, which needs Chromium and playwright).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from recon.render import render
from recon.scene_folder import SceneFolder
from trajectories import make_rig

SHOWN = 4  # instants of each video
ENLARGED = 1.25
GAP, LABEL = 10, 22


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    scene = SceneFolder(args.scene)
    rig, splats = scene.rig, scene.rest
    instants = np.linspace(0, rig.frames - 1, SHOWN).round().astype(int)
    videos = [[scene.image(v, t) for t in instants] for v in range(rig.views)]
    fitted = [_pixels(render(splats, rig.cameras[v, instants])) for v in range(rig.views)]
    spread = make_rig("orbit", 1, rig.views * SHOWN, sweep=np.radians(70.0), azimuth=np.radians(-125.0), elevation=0.45)
    new = _pixels(render(splats, spread.cameras[0])).reshape(rig.views, SHOWN, *fitted[0].shape[1:])
    columns = [("the videos", videos), ("the splats, same cameras", fitted), ("the splats, new cameras", new)]
    picture = np.concatenate([_column(label, rows) for label, rows in columns], axis=1)
    image = Image.fromarray(picture)
    image = image.resize((round(image.width * ENLARGED), round(image.height * ENLARGED)), Image.Resampling.LANCZOS)
    image.save(args.out / "videos_and_splats.png", optimize=True)

    from viewer.app import open_scene
    from viewer.screenshot import screenshot

    viewer = open_scene(args.scene, port=0)
    try:
        screenshot(viewer.url, args.out / "viewer.png")
    finally:
        viewer.close()


def _pixels(images) -> np.ndarray:
    return (np.asarray(images) * 255).round().astype(np.uint8)


def _column(label: str, rows) -> np.ndarray:
    """Rows of frames under a label, with a white gap on the right."""
    grid = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    head = Image.new("RGB", (grid.shape[1], LABEL), "white")
    ImageDraw.Draw(head).text((4, 5), label, fill="black")
    return np.pad(np.concatenate([np.asarray(head), grid]), ((0, 0), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
