"""How much of what one video shows another one shows as well, from their cameras alone."""

from __future__ import annotations

import numpy as np

from trajectories import Cameras
from trajectories.geometry import extent, focus_point

INSTANTS = 4  # frames looked at, evenly over time
GRID = 6  # rays on a side of each image
DEPTHS = (0.5, 0.75, 1.0, 1.5, 2.5)  # in distances to the point that the cameras look at


def overlap(cameras: Cameras) -> np.ndarray:
    """(V, V) symmetric, in [0, 1]: the share of what lies before one video's cameras that the other's see as well.

    The scene is sampled along the rays of each camera, at depths around its distance to the point that all cameras look
    at. Points behind a camera or outside its image are not seen, and one that is seen from the other side counts for
    nothing, since another surface shows there; in between counts the cosine. What stands in the way is not known.

    Args:
        cameras: (V, T).
    """
    V, T = cameras.shape
    instants = np.unique(np.linspace(0, T - 1, min(T, INSTANTS)).round().astype(int))
    subject = focus_point(cameras)
    # Parallel cameras look at no one point; what is a few baselines away stands for the scene.
    least = max(extent(cameras) / 2, 1e-3)
    seen = np.zeros((V, V))
    u = (np.arange(GRID) + 0.5) / GRID
    pixels = np.stack(np.meshgrid(u * cameras.width, u * cameras.height), axis=-1).reshape(-1, 2)
    for t in instants:
        at = cameras[:, t]
        origins, directions = at.rays(pixels)
        distance = np.maximum(np.linalg.norm(subject - at.centers, axis=-1), least)
        depths = distance[:, None] * np.array(DEPTHS)
        points = origins[:, None] + depths[:, :, None, None] * directions[:, None]
        for a in range(V):
            scene = points[a].reshape(-1, 3)
            towards = scene - at.centers[:, None]
            towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
            same_side = (1 + (towards * towards[a]).sum(axis=-1)) / 2
            seen[a] += (at.sees(scene) * same_side).mean(axis=-1)
    seen /= len(instants)
    return (seen + seen.T) / 2
