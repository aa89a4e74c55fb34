"""Points for what is too far away to be measured: sky, hills, the end of a plain."""

from __future__ import annotations

import numpy as np

from recon.points import PointCloud
from trajectories.cameras import Cameras
from trajectories.geometry import focus_point

RADII = 10.0
"""The shell stands at so many times the distance from the cameras to what they look at."""
GAP = 0.08
"""A direction is empty for a view if no measured point appears within this fraction of the image's longer side."""
DIRECTIONS = 4000
"""Directions on the whole sphere, about 3.6 degrees apart."""
FEWEST = 50
"""Fewer shell points are holes between measured points, not a far background."""


def far_shell(cameras: Cameras, images: np.ndarray, points: PointCloud) -> PointCloud:
    """Points on a far sphere, in the directions where most views that look there have measured nothing.

    Args:
        cameras: (N,) cameras.
        images: (N, H, W, 3) float32 RGB, which color the shell.
        points: what has been measured.

    Returns:
        evenly spread points in the mean color that the views see there; none where everything is measured.
    """
    from scipy.spatial import cKDTree

    center = cameras.centers.mean(axis=0)
    looked_at = np.linalg.norm(cameras.centers - focus_point(cameras), axis=1).mean()
    measured = np.linalg.norm(points.positions - center, axis=1)
    radius = max(RADII * looked_at, 2 * float(np.percentile(measured, 99)) if len(points) else 0.0)
    shell = center + radius * fibonacci_sphere(DIRECTIONS)
    xy, z = cameras.project(shell)
    seen = cameras.contains(xy, z)
    empty = np.zeros(seen.shape, dtype=bool)
    colors = np.zeros((DIRECTIONS, 3))
    points_xy, points_z = cameras.project(points.positions)
    for view in range(cameras.size):
        pixels, in_front = xy[view][seen[view]], points_z[view] > 0
        gaps = cKDTree(points_xy[view][in_front]).query(pixels)[0] if in_front.any() else np.full(len(pixels), np.inf)
        empty[view, seen[view]] = gaps > GAP * max(cameras.width, cameras.height)
        column, row = pixels.astype(int).T
        colors[seen[view]] += images[view, row, column]
    views = seen.sum(axis=0)
    keep = 2 * empty.sum(axis=0) > views
    if keep.sum() < FEWEST:
        return PointCloud(np.zeros((0, 3)), np.zeros((0, 3)), "")
    return PointCloud(shell[keep], colors[keep] / views[keep][:, None], f"{int(keep.sum())} on a far shell")


def fibonacci_sphere(count: int) -> np.ndarray:
    """(count, 3) unit vectors spread evenly over the sphere (Gonzalez 2010)."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    azimuth = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)
