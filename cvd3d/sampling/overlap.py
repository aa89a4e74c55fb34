"""Estimate the visual overlap of each pair of videos from their cameras."""

from __future__ import annotations

import numpy as np

from trajectories import Cameras
from trajectories.geometry import extent, focus_point

INSTANTS = 4  # frames that are evaluated, evenly spaced in time
GRID = 6  # a grid of GRID x GRID rays for each image
DEPTHS = (0.5, 0.75, 1.0, 1.5, 2.5)  # in units of the distance to the point that the cameras look at


def overlap(cameras: Cameras) -> np.ndarray:
    """(V, V) symmetric, in [0, 1]: the fraction of what one video's cameras see that the other's cameras see too.

    Points are sampled along the rays of each camera, at depths around its distance to the point that all cameras look
    at. A point counts if it is in front of the other camera and inside its image, weighted by (1 + cosine) / 2 of the
    angle between the two viewing directions, because opposite sides show different surfaces. Occlusion is ignored.

    Args:
        cameras: (V, T).
    """
    V, T = cameras.shape
    instants = np.unique(np.linspace(0, T - 1, min(T, INSTANTS)).round().astype(int))
    subject = focus_point(cameras)
    # Parallel cameras do not look at one point; the scene is then assumed to be a few baselines away.
    least = max(extent(cameras) / 2, 1e-3)
    shared = np.zeros((V, V))
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
            shared[a] += (at.sees(scene) * same_side).mean(axis=-1)
    shared /= len(instants)
    return (shared + shared.T) / 2
