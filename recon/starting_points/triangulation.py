"""Triangulate points from matched pixels of known cameras."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras


def triangulate(
    cameras: Cameras, views: np.ndarray, pixels: np.ndarray, tracks: np.ndarray, count: int, iterations: int = 5
) -> np.ndarray:
    """Triangulate many tracks at once.

    The initial point is nearest to all rays of a track (midpoint method for many views); Gauss-Newton steps then
    minimize the squared reprojection error.

    Args:
        cameras: (N,) cameras.
        views, pixels, tracks: (M,), (M, 2), (M,): the camera, position and track of each observation.
        count: number of tracks P; track indices are in [0, P).
        iterations: number of Gauss-Newton steps.

    Returns:
        (P, 3) world points; a track without parallax gives an unreliable point, never an exception.
    """
    observers = cameras[views]
    rays = observers.rays(pixels[:, None], unit=True)[1][:, 0]
    across = np.eye(3) - rays[:, :, None] * rays[:, None, :]
    A = _sum_by_track(across, tracks, count) + 1e-9 * np.eye(3)
    b = _sum_by_track((across @ observers.centers[..., None])[..., 0], tracks, count)
    points = np.linalg.solve(A, b[..., None])[..., 0]
    R, t, K = observers.viewmats[:, :3, :3], observers.viewmats[:, :3, 3], observers.K
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
    """The reprojection error and the parallax of each track.

    Returns:
        (P,) the largest reprojection error in pixels (inf if the point is behind a camera) and (P,) the parallax: the
        largest angle in radians between a track's first ray and its other rays.
    """
    P = len(points)
    projected, depths = cameras[views].project(points[tracks][:, None])
    errors = np.linalg.norm(projected[:, 0] - pixels, axis=1)
    errors[~(depths[:, 0] > 0) | ~np.isfinite(errors)] = np.inf
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
