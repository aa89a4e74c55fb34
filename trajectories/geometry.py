"""Geometry of several cameras: the point that they look at, and how one image maps to another."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras

PULL = 1e-6
"""Weight of the pull towards the mean center, which keeps the focus of parallel axes finite."""
PARALLEL = 1e-3
"""Axes are parallel below this mean squared sine of their angles to a common direction: about 2 degrees."""
MOST = 0.7
"""Share of the axes that must pass by a meeting point."""


def extent(cameras: Cameras) -> float:
    """The radius in meters of the cameras about their mean (gsplat's scene scale, without its factor 1.1)."""
    centers = cameras.centers.reshape(-1, 3)
    return float(np.linalg.norm(centers - centers.mean(axis=0), axis=1).max())


def focus_point(cameras: Cameras) -> np.ndarray:
    """(3,) the world point nearest to all optical axes in the least-squares sense.

    For parallel axes the point is not determined along them; the answer then stays beside the cameras.
    """
    return _nearest_to_axes(cameras, cameras.centers.reshape(-1, 3).mean(axis=0), PULL)


def meeting_point(cameras: Cameras, tolerance: float = np.inf) -> np.ndarray | None:
    """(3,) the point nearest to all optical axes, or None where they do not meet there.

    They meet if they are not parallel, and if most of them reach the point ahead of the camera.

    Args:
        cameras: cameras of any shape.
        tolerance: the largest distance from an axis to the point, as a share of the camera's distance to it.
    """
    if np.linalg.eigvalsh(_across(cameras).mean(axis=0))[0] < PARALLEL:
        return None
    point = _nearest_to_axes(cameras, np.zeros(3))
    forward = cameras.forward.reshape(-1, 3)
    offsets = point - cameras.centers.reshape(-1, 3)
    ahead = (offsets * forward).sum(axis=1)
    miss = np.linalg.norm(offsets - ahead[:, None] * forward, axis=1)
    return point if (miss / tolerance < ahead).mean() > MOST else None


def relative_pose(query: Cameras, key: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """The query camera's axes and center in the key camera's frame: R (..., 3, 3) and t (..., 3) in meters.

    A point x in the query's frame is R x + t in the key's. The shapes of the cameras broadcast.
    """
    R_key = np.swapaxes(key.R, -1, -2)
    return R_key @ query.R, (R_key @ (query.centers - key.centers)[..., None])[..., 0]


def fundamental_matrix(query: Cameras, key: Cameras) -> np.ndarray:
    """(..., 3, 3) F with x_key^T F x_query = 0 for pixels of one world point (Hartley & Zisserman, section 9.2).

    F x_query is the epipolar line of the query pixel in the key image: F = K_key^-T [t]_x R K_query^-1.
    """
    R, t = relative_pose(query, key)
    zero = np.zeros_like(t[..., 0])
    rows = (zero, -t[..., 2], t[..., 1], t[..., 2], zero, -t[..., 0], -t[..., 1], t[..., 0], zero)
    t_cross = np.stack(rows, axis=-1).reshape(*t.shape[:-1], 3, 3)
    return np.swapaxes(np.linalg.inv(key.K), -1, -2) @ t_cross @ R @ np.linalg.inv(query.K)


def homography_at_infinity(query: Cameras, key: Cameras) -> np.ndarray:
    """(..., 3, 3) map of query pixels to key pixels for points at infinity, or for cameras in one place."""
    return key.K @ relative_pose(query, key)[0] @ np.linalg.inv(query.K)


def _across(cameras: Cameras) -> np.ndarray:
    """(N, 3, 3) projections onto the planes across the optical axes."""
    forward = cameras.forward.reshape(-1, 3)
    return np.eye(3) - forward[:, :, None] * forward[:, None, :]


def _nearest_to_axes(cameras: Cameras, origin: np.ndarray, pull: float = 0.0) -> np.ndarray:
    """(3,) the least-squares point, drawn with the weight `pull` towards `origin`."""
    across = _across(cameras)
    offset = (across @ (cameras.centers.reshape(-1, 3) - origin)[..., None])[..., 0].mean(axis=0)
    return origin + np.linalg.solve(across.mean(axis=0) + pull * np.eye(3), offset)
