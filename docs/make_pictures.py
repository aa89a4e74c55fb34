"""Make the README's pictures from a finished scene folder.

    python docs/make_pictures.py scenes/first docs/images

Writes `rig.png`, the preview of a rig, and `viewer.png`, the page of `cvd3d view` (needs Chromium and playwright).
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image

from cvd3d.scene.preview import draw_rig
from trajectories import make_rig
from viewer.app import open_scene
from viewer.screenshot import open_page

BRIGHT = 40  # seconds until a page in software rendering is as bright as on a graphics card
WIDTH, COLORS = 1100, 128


def main() -> None:
    """Draw both pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    draw_rig(make_rig("dome", 6, 16), args.out / "rig.png")
    with Image.open(args.out / "rig.png") as image:
        _save(image.resize((WIDTH, round(WIDTH * image.height / image.width))), args.out / "rig.png")
    viewer = open_scene(args.scene, port=0)
    try:
        with open_page(viewer.url) as page:
            page.keyboard.press("2")  # a key ends the swing, which is slow in software; the second camera
            page.wait_for_timeout(1000 * BRIGHT)
            shot = page.screenshot(timeout=120_000)
    finally:
        viewer.close()
    with Image.open(io.BytesIO(shot)) as image:
        image.convert("RGB").save(args.out / "viewer.png", optimize=True)


def _save(image: Image.Image, path: Path) -> None:
    image.convert("RGB").quantize(COLORS).save(path, optimize=True)


if __name__ == "__main__":
    main()
