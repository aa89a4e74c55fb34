"""The overview of a scene, and the size of the drawn frustums."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trajectories.geometry import meeting_point
from trajectories.rig import Rig

DEFAULT_TARGET = (0.0, 0.0, 0.6)
DEFAULT_RADIUS = 4.5


@dataclass(frozen=True, eq=False)
class Framing:
    """A view of the whole scene, in world meters, z up."""

    target: np.ndarray
    """(3,) the look-at point."""
    eye: np.ndarray
    """(3,) the viewpoint."""
    radius: float
    """Typical distance of the cameras from the target."""
    frustum_depth: float
    """Length of a drawn frustum, from the camera center to the image plane."""


def frame_scene(rig: Rig | None, positions: np.ndarray | None = None) -> Framing:
    """Choose a view from behind and above the cameras, toward their common target.

    Args:
        rig: the cameras, if any.
        positions: (P, 3) points of the scene, if any.
    """
    if positions is not None:
        positions = positions[np.isfinite(positions).all(axis=1)]
    if rig is None:
        return _frame_positions(positions)
    centers = rig.cameras.centers.reshape(-1, 3)
    target = meeting_point(rig.cameras)
    if target is None and positions is not None and len(positions):
        target = np.median(positions, axis=0)
    if target is None:
        distance = max(2.0 * float(np.ptp(centers, axis=0).max()), 1.0)
        target = centers.mean(axis=0) + distance * rig.cameras.forward.reshape(-1, 3).mean(axis=0)
    offsets = centers - target
    radius = max(float(np.median(np.linalg.norm(offsets, axis=1))), 1e-3)
    middle = offsets.mean(axis=0)
    one_sided = np.linalg.norm(middle) > 0.4 * radius
    toward = _direction(middle if one_sided else offsets[0], turn=np.radians(25.0), lift=np.radians(14.0))
    # Shift the look-at point toward the cameras, to keep cameras on one side of the subject in view.
    look_at = target + 0.15 * middle
    eye = look_at + _distance_to_fit(centers, look_at, toward, radius) * toward
    return Framing(look_at, eye, radius, _frustum_depth(rig, radius))


def _frame_positions(positions: np.ndarray | None) -> Framing:
    if positions is None or len(positions) == 0:
        target, radius = np.array(DEFAULT_TARGET), DEFAULT_RADIUS
    else:
        target = np.median(positions, axis=0)
        radius = max(2.0 * float(np.quantile(np.linalg.norm(positions - target, axis=1), 0.8)), 1e-3)
    eye = target + 1.3 * radius * _direction(np.array([1.0, -1.5, 0.5]), turn=0.0, lift=np.radians(5.0))
    return Framing(target, eye, radius, 0.15 * radius)


def _direction(offset: np.ndarray, *, turn: float, lift: float) -> np.ndarray:
    azimuth = np.arctan2(offset[1], offset[0]) + turn
    elevation = np.clip(np.arctan2(offset[2], np.hypot(offset[0], offset[1])) + lift, np.radians(15), np.radians(60))
    return np.array([np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation)])


def _distance_to_fit(centers: np.ndarray, target: np.ndarray, toward: np.ndarray, radius: float) -> float:
    """The shortest of some distances along `toward` at which all cameras fit in a view of 60 x 50 degrees."""
    right = np.cross([0.0, 0.0, 1.0], toward)
    right /= np.linalg.norm(right)
    sideways, upward, nearer = (
        np.abs((centers - target) @ right),
        np.abs((centers - target) @ np.cross(toward, right)),
        (centers - target) @ toward,
    )
    for distance in radius * np.linspace(1.4, 3.4, 11):
        room = 0.92 * (distance - nearer)
        if (sideways < np.tan(np.radians(30)) * room).all() and (upward < np.tan(np.radians(25)) * room).all():
            break
    return float(distance)


def _frustum_depth(rig: Rig, radius: float) -> float:
    """0.7 of the smallest distance between two cameras, clamped to 0.05 to 0.15 of the radius."""
    centers = rig.cameras.centers.mean(axis=1)
    distances = np.linalg.norm(centers[:, None] - centers[None], axis=-1) + np.where(np.eye(len(centers)), np.inf, 0.0)
    return float(np.clip(0.7 * distances.min(), 0.05 * radius, 0.15 * radius))
