"""Make a custom rig: two cameras pass the subject, one of them a meter above the other.

python examples/custom_rig.py --out walk.json
cvd3d scene "a red house and a green tree" --rig walk.json --out scenes/walk
"""

from pathlib import Path

import numpy as np
import tyro

from trajectories import Cameras, Rig, intrinsics_from_fov, look_at, save_rig, through


def main(out: Path, frames: int = 16, size: int = 128) -> None:
    """Write the rig.

    Args:
        out: the rig file to write.
        frames: frames of each video, at 8 frames per second.
        size: width and height of the images in pixels.
    """
    # World: z up, meters. Poses: camera-to-world, OpenCV axes.
    keys = np.array([[3.5, -3.0, 1.2], [0.0, -4.5, 1.6], [-3.5, -3.0, 1.2]])
    K = intrinsics_from_fov(np.radians(50), width=size, height=size)
    paths = {
        name: Cameras(through(look_at(keys + lift, target=(0, 0, 0.6)), frames, easing="in-out"), K, size, size)
        for name, lift in (("low", np.zeros(3)), ("high", np.array([0.0, 0.0, 1.0])))
    }
    save_rig(Rig.from_paths(paths, times=np.arange(frames) / 8), out)


if __name__ == "__main__":
    tyro.cli(main)
