"""How far a viewpoint is from cameras that saw the scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trajectories.cameras import Cameras
from trajectories.geometry import meeting_point


@dataclass(frozen=True, eq=False)
class Distance:
    """Distances of viewpoints to the camera nearest to each."""

    angle: np.ndarray
    """(...) degrees at the subject between the viewpoint and the camera."""
    meters: np.ndarray
    """(...) meters between the viewpoint and the camera."""
    nearest: np.ndarray
    """(...) the index of the camera among the flattened cameras."""


def subject_of(cameras: Cameras) -> np.ndarray:
    """(3,) the world point that cameras of any shape look at.

    If their axes do not meet, it is twice the spread of the centers (at least 1 m) in front of their mean.
    """
    point = meeting_point(cameras)
    if point is not None:
        return point
    centers, forward = cameras.centers.reshape(-1, 3), cameras.forward.reshape(-1, 3).mean(axis=0)
    direction = forward / max(float(np.linalg.norm(forward)), 1e-9)
    return centers.mean(axis=0) + max(2.0 * float(np.ptp(centers, axis=0).max()), 1.0) * direction


def distance_to_nearest(viewpoints: np.ndarray, cameras: Cameras, subject: np.ndarray | None = None) -> Distance:
    """The distance of each viewpoint to the nearest camera, as an angle at the subject and in meters.

    The nearest camera has the smallest sum of the angle in radians and the difference of the two distances to the
    subject, relative to the camera's. Turning around the subject and moving toward it therefore count alike.

    Args:
        viewpoints: (..., 3) world positions.
        cameras: cameras of any shape.
        subject: (3,) the point around which angles are measured; by default `subject_of` the cameras.
    """
    subject = subject_of(cameras) if subject is None else np.asarray(subject, dtype=np.float64)
    centers = cameras.centers.reshape(-1, 3)
    viewpoints = np.asarray(viewpoints, dtype=np.float64)
    to_view, to_camera = viewpoints[..., None, :] - subject, centers - subject
    # The angle by both sine and cosine is exact for small angles.
    sine = np.linalg.norm(np.cross(to_view, to_camera), axis=-1)
    angles = np.arctan2(sine, (to_view * to_camera).sum(axis=-1))
    far, range_ = np.linalg.norm(to_view, axis=-1), np.maximum(np.linalg.norm(to_camera, axis=-1), 1e-9)
    nearest = np.argmin(angles + np.abs(far - range_) / range_, axis=-1)
    angle = np.take_along_axis(angles, nearest[..., None], axis=-1)[..., 0]
    meters = np.linalg.norm(viewpoints - centers[nearest], axis=-1)
    return Distance(np.degrees(angle), meters, nearest)
