"""Points from matched pixels of known cameras."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras


def pixel_rays(cameras: Cameras, views: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(M, 3) unit world directions through pixels.

    Args:
        cameras: (N,) cameras.
        views: (M,) which camera each pixel belongs to.
        pixels: (M, 2) positions; pixel centres lie at +0.5.
    """
    homogeneous = np.concatenate([pixels, np.ones((len(pixels), 1))], axis=1)
    local = np.einsum("mij,mj->mi", np.linalg.inv(cameras.K)[views], homogeneous)
    rays = np.einsum("mij,mj->mi", cameras.R[views], local)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)


def fundamental(cameras: Cameras, first: int, second: int) -> np.ndarray:
    """(3, 3) F with x2^T F x1 = 0 for pixels x1 of `first` and x2 of `second` (Hartley and Zisserman, 9.2)."""
    relative = cameras.viewmats[second] @ cameras.c2w[first]
    t = relative[:3, 3]
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    K_inverse = np.linalg.inv(cameras.K)
    return K_inverse[second].T @ cross @ relative[:3, :3] @ K_inverse[first]


def triangulate(
    cameras: Cameras, views: np.ndarray, pixels: np.ndarray, tracks: np.ndarray, count: int, iterations: int = 5
) -> np.ndarray:
    """Triangulate many tracks at once.

    The start is the point nearest to all rays of a track (midpoint method for many views); Gauss-Newton steps on
    the squared reprojection error follow.

    Args:
        cameras: (N,) cameras.
        views, pixels, tracks: (M,), (M, 2), (M,): the camera, position and track of each observation.
        count: number of tracks P; track numbers are in [0, P).
        iterations: Gauss-Newton steps.

    Returns:
        (P, 3) world points; a track without parallax gives a point that is not to be trusted, never an exception.
    """
    rays, centers = pixel_rays(cameras, views, pixels), cameras.centers[views]
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    A = _sum_by_track(across, tracks, count) + 1e-9 * np.eye(3)
    b = _sum_by_track((across @ centers[..., None])[..., 0], tracks, count)
    points = np.linalg.solve(A, b[..., None])[..., 0]
    R, t = cameras.viewmats[views, :3, :3], cameras.viewmats[views, :3, 3]
    K = cameras.K[views]
    for _ in range(iterations):
        local = np.einsum("mij,mj->mi", R, points[tracks]) + t
        z = np.where(np.abs(local[:, 2]) < 1e-9, 1e-9, local[:, 2])
        projected = np.einsum("mij,mj->mi", K, local)
        residual = projected[:, :2] / z[:, None] - pixels
        KR = K @ R
        J = (KR[:, :2] - (projected[:, :2] / z[:, None])[..., None] * R[:, 2:]) / z[:, None, None]
        JTJ = _sum_by_track(np.swapaxes(J, 1, 2) @ J, tracks, count)
        gradient = _sum_by_track(np.einsum("mij,mi->mj", J, residual), tracks, count)
        damping = 1e-6 * np.trace(JTJ, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-12 * np.eye(3)
        points = points - np.linalg.solve(JTJ + damping, gradient[..., None])[..., 0]
    return points


def track_quality(
    cameras: Cameras, views: np.ndarray, pixels: np.ndarray, tracks: np.ndarray, points: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """How well tracks fit their points.

    Returns:
        (P,) the largest reprojection error in pixels (inf if a view has the point behind it) and (P,) the
        parallax: the largest angle in radians between a track's first ray and another one.
    """
    P = len(points)
    local = np.einsum("mij,mj->mi", cameras.viewmats[views, :3, :3], points[tracks]) + cameras.viewmats[views, :3, 3]
    projected = np.einsum("mij,mj->mi", cameras.K[views], local)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.linalg.norm(projected[:, :2] / projected[:, 2:] - pixels, axis=1)
    errors[~(local[:, 2] > 0) | ~np.isfinite(errors)] = np.inf
    worst = np.zeros(P)
    np.maximum.at(worst, tracks, errors)
    rays = points[tracks] - cameras.centers[views]
    rays /= np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-12)
    first = np.zeros((P, 3))
    first[tracks[::-1]] = rays[::-1]
    angles = np.arctan2(np.linalg.norm(np.cross(first[tracks], rays), axis=1), (first[tracks] * rays).sum(axis=1))
    parallax = np.zeros(P)
    np.maximum.at(parallax, tracks, angles)
    return worst, parallax


def _sum_by_track(values: np.ndarray, tracks: np.ndarray, count: int) -> np.ndarray:
    total = np.zeros((count, *values.shape[1:]))
    np.add.at(total, tracks, values)
    return total
