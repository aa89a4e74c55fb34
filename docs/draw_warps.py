"""Draw clips of the procedural world and their warped copies, as `cvd3d train-pairs --captioned` pairs them.

python docs/draw_warps.py docs/images/warped_clips.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from cvd3d.training.homography import Warp, sample_homographies, warp_frames
from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import sample_world
from trajectories import make_rig

CLIPS, SHOWN, FRAMES, SIZE, GAP = 3, 5, 16, 128, 6


def main() -> None:
    """Draw each clip above its copy, at five instants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(5)
    instants = np.linspace(0, FRAMES - 1, SHOWN).round().astype(int)
    rows = []
    for _ in range(CLIPS):
        rig = make_rig("circle", 1, FRAMES, width=SIZE, height=SIZE)
        frames = render(sample_world(generator), rig.cameras, rig.times)[0]
        warped, _ = warp_frames(frames, sample_homographies(Warp(), FRAMES, SIZE, SIZE, generator))
        rows += [
            _row(frames[instants]),
            _row(warped[instants]),
            np.full((2 * GAP, _row(frames[instants]).shape[1], 3), 255),
        ]
    Image.fromarray(np.concatenate(rows[:-1]).astype(np.uint8)).save(args.picture, optimize=True)


def _row(frames: np.ndarray) -> np.ndarray:
    """The frames side by side, with a white border."""
    return np.concatenate(
        [np.pad(frame, ((GAP, 0), (0, GAP), (0, 0)), constant_values=255) for frame in frames], axis=1
    )


if __name__ == "__main__":
    main()
