"""The frame of cameras that have no known up and no known unit."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

DISTANCE = 4.0
"""The median depth of the points after scaling, in meters."""


def upright(c2w: np.ndarray, points: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """The similarity x -> scale * R @ x + t to a world with z up.

    Up is the mean of the cameras' up directions, the first camera looks along +y, the median of the points is the
    origin, and their median depth is `DISTANCE`.

    Args:
        c2w: (N, 4, 4) poses.
        points: (P, 3) points, at least one.

    Returns:
        scale, R (3, 3) and t (3,).
    """
    up = -c2w[:, :3, 1].mean(axis=0)
    if np.linalg.norm(up) < 1e-3:  # as many cameras upside down as not
        up = -c2w[0, :3, 1]
    tilt = Rotation.align_vectors([[0.0, 0.0, 1.0]], [up])[0]
    x, y = tilt.apply(c2w[0, :3, 2])[:2]
    R = (Rotation.from_euler("z", np.arctan2(x, y)) * tilt).as_matrix()
    depths = ((points[None] - c2w[:, None, :3, 3]) * c2w[:, None, :3, 2]).sum(axis=-1)
    scale = DISTANCE / float(np.median(depths[depths > 0]))
    return scale, R, -scale * R @ np.median(points, axis=0)
