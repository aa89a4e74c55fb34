"""View selection and overlap of view frusta, from the cameras alone."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras
from trajectories.geometry import extent

FIBONACCI_RANKS = (0, 1, 2, 4, 7, 12, 20, 33)
"""Baseline ranks of the selected partners: short baselines match easily, long ones measure depth precisely."""


def neighbors(cameras: Cameras, index: int, count: int, max_angle: float = np.radians(60)) -> np.ndarray:
    """Stereo partners of one view: different centers, similar directions, short to long baselines.

    Args:
        cameras: (N,) cameras.
        index: the view that needs partners.
        count: the maximum number of partners.
        max_angle: the largest angle between the two viewing directions in radians.

    Returns:
        Indices of the partners, nearest first; empty if no other view qualifies.
    """
    baselines = np.linalg.norm(cameras.centers - cameras.centers[index], axis=1)
    cosines = cameras.forward @ cameras.forward[index]
    usable = (baselines > 0.01 * extent(cameras)) & (cosines > np.cos(max_angle))
    # A stable sort of rounded baselines: symmetric rigs have ties, whose order must not depend on rounding errors.
    order = np.argsort(np.round(baselines / extent(cameras), 9), kind="stable")
    order = order[usable[order]]
    ranks = [rank for rank in FIBONACCI_RANKS if rank < len(order)]
    ranks += [rank for rank in range(len(order)) if rank not in ranks]
    return order[sorted(ranks[:count])]


def spread_views(cameras: Cameras, count: int) -> np.ndarray:
    """Indices of at most `count` views that cover all positions and directions, by farthest-point sampling."""
    scale = max(extent(cameras), 1e-12)
    features = np.concatenate([cameras.centers / scale, cameras.forward], axis=1)
    chosen = [int(np.argmin(np.linalg.norm(features - features.mean(axis=0), axis=1)))]
    distance = np.full(len(features), np.inf)
    while len(chosen) < min(count, len(features)):
        distance = np.minimum(distance, np.linalg.norm(features - features[chosen[-1]], axis=1))
        if distance.max() < 1e-6:
            break
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen)


def inverse_depth_range(cameras: Cameras, index: int, partners: np.ndarray) -> tuple[float, float]:
    """The range of inverse depths at which the frustum of a view intersects those of its partners.

    A grid of the view's pixels is unprojected to depths on a logarithmic scale, from 1/1000 of the shortest baseline to
    1000 times the longest. A depth is inside the range if partners see at least a third of the grid.

    Returns:
        (near, far): the largest and the smallest inverse depth in 1/m; far is 0 if the frusta overlap at infinity.
    """
    baselines = np.linalg.norm(cameras.centers[partners] - cameras.centers[index], axis=1)
    depths = np.geomspace(1e-3 * baselines.min(), 1e3 * baselines.max(), 240)
    u, v = np.meshgrid((np.arange(12) + 0.5) * cameras.width / 12, (np.arange(12) + 0.5) * cameras.height / 12)
    origins, directions = cameras[index].rays(np.stack([u.ravel(), v.ravel()], axis=1))
    points = origins + depths[:, None, None] * directions
    partner_cameras: Cameras = cameras[partners]
    visible = partner_cameras.sees(points.reshape(-1, 3)).reshape(len(partners), len(depths), -1)
    inside = visible.mean(axis=(0, 2)) > 1 / 3
    if not inside.any():
        inside = visible.any(axis=(0, 2))
    if not inside.any():
        return 0.0, 0.0
    near, far = depths[inside][0], depths[inside][-1]
    return 1.0 / near, 0.0 if inside[-1] else 1.0 / far


def any_overlap(cameras: Cameras) -> bool:
    """Whether any point is visible from two different camera centers.

    Args:
        cameras: (N,) cameras.
    """
    for index in range(cameras.size - 1):
        later = np.arange(index + 1, cameras.size)
        baselines = np.linalg.norm(cameras.centers[later] - cameras.centers[index], axis=1)
        later = later[baselines > 1e-9 * max(1.0, extent(cameras))]
        # Test views in similar directions first: in a valid capture, the first few already overlap.
        later = later[np.argsort(-(cameras.forward[later] @ cameras.forward[index]), kind="stable")]
        for start in range(0, len(later), 8):
            if inverse_depth_range(cameras, index, later[start : start + 8])[0] > 0:
                return True
    return False
