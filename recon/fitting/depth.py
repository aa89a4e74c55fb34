"""Depth supervision: a loss between rendered depths and the depths of measured points."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from trajectories.cameras import Cameras

CELL = 16
"""Side in pixels of the squares in which the nearest point occludes points far behind it."""
OCCLUSION_RATIO = 1.1
"""Points farther than this multiple of the nearest depth are occluded."""


def visible_points(camera: Cameras, positions: np.ndarray) -> np.ndarray:
    """The points that a camera sees, without those that other points occlude.

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
    visible = z <= OCCLUSION_RATIO * nearest[row, column]
    return np.concatenate([xy[visible], z[visible, None]], axis=1).astype(np.float32)


def depth_loss(depth: Tensor, points: Tensor, scale: float) -> Tensor:
    """Mean difference of inverse depths, in 1 / scene scale (as in gsplat's examples/simple_trainer.py).

    Args:
        depth: (H, W) expected z-depths in meters; 0 where nothing is drawn.
        points: (S, 3) pixel positions and z-depths, from `visible_points`.
        scale: scene scale in meters.
    """
    if not len(points):
        return depth.new_zeros(())
    # In a halved frame, a point may be in the odd row or column that was left out.
    x, y = (points[:, axis].long().clamp_max(depth.shape[1 - axis] - 1) for axis in (0, 1))
    rendered = depth[y, x]
    inverse = (1 / rendered.clamp_min(1e-6)).where(rendered > 0, rendered.new_zeros(()))
    return scale * (inverse - 1 / points[:, 2]).abs().mean()
