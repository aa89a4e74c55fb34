"""Render a flight around splats to an mp4 file.

python examples/film_flight.py scenes/first/splats.ply --out flight.mp4
"""

from pathlib import Path

import numpy as np
import tyro

from recon.export.video import write_flight
from recon.splats.ply import load_splats
from trajectories import make_rig


def main(splats: tyro.conf.Positional[Path], out: Path, frames: int = 96, size: int = 512, fps: float = 24) -> None:
    """Film one full orbit around the origin.

    Args:
        splats: a PLY file of Gaussian splats.
        out: the mp4 file to write.
        frames: frames of the flight.
        size: width and height of the frames in pixels.
        fps: frames per second.
    """
    rig = make_rig("orbit", views=1, frames=frames, sweep=2 * np.pi, radius=4.5, width=size, height=size, fps=fps)
    write_flight(load_splats(splats), rig.cameras[0], rig.times, out, fps=fps, show_progress=True)


if __name__ == "__main__":
    tyro.cli(main)
