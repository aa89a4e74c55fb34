"""What the depths of measured points say about a rendered depth."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from trajectories.cameras import Cameras

CELL = 16
"""Pixels: in a square of this side, points far behind the nearest one are taken to be hidden."""
BEHIND = 1.1
"""So many times as far is far behind."""


def seen_points(camera: Cameras, positions: np.ndarray) -> np.ndarray:
    """The points that a camera sees, hidden ones left out as far as other points tell.

    Args:
        camera: one camera, shape ().
        positions: (P, 3) world.

    Returns:
        (S, 3) float32: pixel positions x and y, z-depth in meters.
    """
    xy, z = camera.project(positions)
    inside = camera.contains(xy, z)
    xy, z = xy[inside], z[inside]
    column, row = (xy // CELL).astype(int).T
    nearest = np.full((-(-camera.height // CELL), -(-camera.width // CELL)), np.inf)
    np.minimum.at(nearest, (row, column), z)
    shown = z <= BEHIND * nearest[row, column]
    return np.concatenate([xy[shown], z[shown, None]], axis=1).astype(np.float32)


def depth_loss(depth: Tensor, seen: Tensor, scale: float) -> Tensor:
    """Mean difference of inverse depths, in 1 / scene scale (as in gsplat's examples/simple_trainer.py).

    Args:
        depth: (H, W) expected z-depths in meters; 0 where nothing is.
        seen: (S, 3) pixel positions and z-depths, as of `seen_points`.
        scale: scene scale in meters.
    """
    if not len(seen):
        return depth.new_zeros(())
    # After a frame was halved, a point may lie in the odd row or column that was left out.
    x, y = (seen[:, axis].long().clamp_max(depth.shape[1 - axis] - 1) for axis in (0, 1))
    rendered = depth[y, x]
    inverse = (1 / rendered.clamp_min(1e-6)).where(rendered > 0, rendered.new_zeros(()))
    return scale * (inverse - 1 / seen[:, 2]).abs().mean()
