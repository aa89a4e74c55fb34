"""Starting points on a far sphere for the background: sky, hills, the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.points import PointCloud
from trajectories.cameras import Cameras
from trajectories.geometry import extent, focus_point

RADIUS_FACTOR = 10.0
"""Radius of the shell as a multiple of the mean distance from the cameras to their focus point."""
FAR_RADII = 50.0
"""The shell and all splats of a fit stay within this multiple of the scene's radius around the cameras."""
GAP = 0.08
"""A direction is empty in a view if no measured point is within this fraction of the image's longer side."""
DIRECTIONS = 4000
"""Number of directions on the whole sphere, about 3.6 degrees apart."""
SOURCE = "on a far shell"
"""In the source of points that have a shell."""
MIN_POINTS = 50
"""Fewer shell points are gaps between measured points rather than a far background."""


@dataclass(frozen=True, eq=False)
class FarLimit:
    """The sphere that holds all splats of a fit, so that programs that frame a scene by its bounds show it."""

    center: np.ndarray
    """(3,) the mean center of the cameras."""
    radius: float
    """Meters."""


def far_limit(cameras: Cameras, positions: np.ndarray) -> FarLimit:
    """FAR_RADII times the median distance of points (P, 3), or of the focus point if that is farther."""
    center = cameras.centers.mean(axis=0)
    to_focus = np.linalg.norm(cameras.centers - focus_point(cameras), axis=1).mean()
    to_points = np.median(np.linalg.norm(positions - center, axis=1)) if len(positions) else 0.0
    return FarLimit(center, FAR_RADII * float(max(to_focus, to_points, extent(cameras))))


def far_shell(cameras: Cameras, images: np.ndarray, points: PointCloud) -> PointCloud:
    """Points on a far sphere, in the directions that are empty in most of the views that see them.

    Args:
        cameras: (N,) cameras.
        images: (N, H, W, 3) float32 RGB, the source of the shell's colors.
        points: the measured points.

    Returns:
        evenly spread points in the mean color of the views; none if measured points cover all directions.
    """
    from scipy.spatial import cKDTree

    center = cameras.centers.mean(axis=0)
    focus_distance = np.linalg.norm(cameras.centers - focus_point(cameras), axis=1).mean()
    measured = np.linalg.norm(points.positions - center, axis=1)
    radius = max(RADIUS_FACTOR * focus_distance, 2 * float(np.percentile(measured, 99)) if len(points) else 0.0)
    radius = min(radius, far_limit(cameras, points.positions).radius)
    shell = center + radius * fibonacci_sphere(DIRECTIONS)
    xy, z = cameras.project(shell)
    visible = cameras.contains(xy, z)
    empty = np.zeros(visible.shape, dtype=bool)
    colors = np.zeros((DIRECTIONS, 3))
    points_xy, points_z = cameras.project(points.positions)
    for view in range(cameras.size):
        pixels, in_front = xy[view][visible[view]], points_z[view] > 0
        gaps = cKDTree(points_xy[view][in_front]).query(pixels)[0] if in_front.any() else np.full(len(pixels), np.inf)
        empty[view, visible[view]] = gaps > GAP * max(cameras.width, cameras.height)
        column, row = pixels.astype(int).T
        colors[visible[view]] += images[view, row, column]
    views = visible.sum(axis=0)
    keep = 2 * empty.sum(axis=0) > views
    if keep.sum() < MIN_POINTS:
        return PointCloud(np.zeros((0, 3)), np.zeros((0, 3)), "")
    return PointCloud(shell[keep], colors[keep] / views[keep][:, None], f"{int(keep.sum())} {SOURCE}")


def fibonacci_sphere(count: int) -> np.ndarray:
    """(count, 3) unit vectors spread evenly over the sphere (Gonzalez 2010)."""
    i = np.arange(count) + 0.5
    z = 1 - 2 * i / count
    azimuth = np.pi * (1 + 5**0.5) * i
    ring = np.sqrt(1 - z * z)
    return np.stack([ring * np.cos(azimuth), ring * np.sin(azimuth), z], axis=1)
