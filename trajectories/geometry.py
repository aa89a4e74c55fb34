"""Multi-camera geometry: meeting points of optical axes, relative poses, and two-view relations."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras

DAMPING = 1e-6
"""Weight of the mean camera center in `focus_point`, which keeps the point finite for parallel axes."""
PARALLEL = 1e-3
"""Axes count as parallel below this mean squared sine of the angle to a common direction (about 2 degrees)."""
MEETING_SHARE = 0.7
"""Fraction of the axes that must pass close to a meeting point."""


def extent(cameras: Cameras) -> float:
    """The largest distance in meters of a camera from the mean center (gsplat's scene scale without its factor 1.1)."""
    centers = cameras.centers.reshape(-1, 3)
    return float(np.linalg.norm(centers - centers.mean(axis=0), axis=1).max())


def focus_point(cameras: Cameras) -> np.ndarray:
    """(3,) the world point nearest to all optical axes in the least-squares sense.

    Parallel axes do not determine the position along them; the point then lies next to the cameras.
    """
    return _nearest_to_axes(cameras, cameras.centers.reshape(-1, 3).mean(axis=0), DAMPING)


def meeting_point(cameras: Cameras, tolerance: float = np.inf) -> np.ndarray | None:
    """(3,) the point nearest to all optical axes, or None if the axes do not meet there.

    The axes meet if they are not parallel and most of them pass the point in front of the camera.

    Args:
        cameras: cameras of any shape.
        tolerance: the largest distance from an axis to the point, as a fraction of the depth of the point.
    """
    if np.linalg.eigvalsh(_axis_projections(cameras).mean(axis=0))[0] < PARALLEL:
        return None
    point = _nearest_to_axes(cameras, np.zeros(3))
    forward = cameras.forward.reshape(-1, 3)
    offsets = point - cameras.centers.reshape(-1, 3)
    depths = (offsets * forward).sum(axis=1)
    distances = np.linalg.norm(offsets - depths[:, None] * forward, axis=1)
    return point if (distances / tolerance < depths).mean() > MEETING_SHARE else None


def relative_pose(query: Cameras, key: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """The query camera's axes and center in the key camera's frame: R (..., 3, 3) and t (..., 3) in meters.

    A point x in the query frame is R x + t in the key frame. The shapes of the cameras broadcast.
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
    """(..., 3, 3) map of query pixels to key pixels for points at infinity, or for cameras with the same center."""
    return key.K @ relative_pose(query, key)[0] @ np.linalg.inv(query.K)


def _axis_projections(cameras: Cameras) -> np.ndarray:
    """(N, 3, 3) projections onto the planes perpendicular to the optical axes."""
    forward = cameras.forward.reshape(-1, 3)
    return np.eye(3) - forward[:, :, None] * forward[:, None, :]


def _nearest_to_axes(cameras: Cameras, origin: np.ndarray, damping: float = 0.0) -> np.ndarray:
    """(3,) the least-squares point; `damping` is the weight of its squared distance to `origin`."""
    projections = _axis_projections(cameras)
    offset = (projections @ (cameras.centers.reshape(-1, 3) - origin)[..., None])[..., 0].mean(axis=0)
    return origin + np.linalg.solve(projections.mean(axis=0) + damping * np.eye(3), offset)
