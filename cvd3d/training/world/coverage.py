"""The share of each latent of a frame that shows objects."""

from __future__ import annotations

import numpy as np

from cvd3d.training.world.scenes import World
from trajectories import Cameras


def object_coverage(world: World, cameras: Cameras, times: np.ndarray, rows: int, cols: int) -> np.ndarray:
    """The share of each cell of a grid over the image that the disc around an object covers.

    Args:
        world: the scene.
        cameras: (T,).
        times: (T,) seconds.
        rows: cells from top to bottom.
        cols: cells from left to right.

    Returns:
        (T, rows, cols) in [0, 1]; the border of a disc is one cell wide.
    """
    y, x = np.meshgrid(np.arange(rows) + 0.5, np.arange(cols) + 0.5, indexing="ij")
    covered = np.zeros((len(times), rows, cols))
    for t, time in enumerate(times):
        camera = cameras[t]
        for thing in world.objects:
            solids = thing.at(float(time))
            low = (solids.centers - solids.half_sizes).min(axis=0)
            high = (solids.centers + solids.half_sizes).max(axis=0)
            [[u, v]], [z] = camera.project(((low + high) / 2)[None])
            if z <= 0:
                continue
            radius = np.linalg.norm(high - low) / 2 * camera.K[1, 1] / z * rows / cameras.height
            distance = np.hypot(x - u * cols / cameras.width, y - v * rows / cameras.height)
            covered[t] = np.maximum(covered[t], np.clip(radius - distance + 0.5, 0, 1))
    return covered
