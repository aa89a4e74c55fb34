"""Viewpoints of the page as pure values: through a camera, swinging about a target, and a client's move to one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import viser

from trajectories.cameras import Cameras

UP = np.array([0.0, 0.0, 1.0])
SWING_ANGLE, SWING_SECONDS = np.radians(5.0), 12.0
"""Amplitude and period of the opening's swing."""


@dataclass(frozen=True, eq=False)
class Viewpoint:
    """Where a client stands and looks, in world meters."""

    eye: np.ndarray
    """(3,) the viewpoint."""
    target: np.ndarray
    """(3,) the point about which the mouse orbits."""
    up: np.ndarray
    """(3,) the axis about which the mouse orbits."""
    fov: float
    """Vertical field of view in radians."""
    near: float
    """Distance of the near plane in meters."""

    def swung(self, seconds: float) -> Viewpoint:
        """The viewpoint turned about the target, `seconds` after the start of the swing."""
        angle = SWING_ANGLE * np.sin(2 * np.pi * seconds / SWING_SECONDS)
        offset, axis = self.eye - self.target, self.up / np.linalg.norm(self.up)
        turned = (
            np.cos(angle) * offset
            + np.sin(angle) * np.cross(axis, offset)
            + (1 - np.cos(angle)) * (axis @ offset) * axis
        )
        return replace(self, eye=self.target + turned)

    def swings_past(self, eye: np.ndarray) -> bool:
        """Whether the swing passes the point `eye` (3,)."""
        axis, tolerance = self.up / np.linalg.norm(self.up), 2e-3 * np.linalg.norm(self.eye - self.target)
        start, offset = self.eye - self.target, eye - self.target
        level_start, level = start - (start @ axis) * axis, offset - (offset @ axis) * axis
        near = abs((offset - start) @ axis) < tolerance
        near &= abs(np.linalg.norm(level) - np.linalg.norm(level_start)) < tolerance
        return bool(
            near and np.linalg.norm(level - level_start) < SWING_ANGLE * np.linalg.norm(level_start) + tolerance
        )

    def show_to(self, client: viser.ClientHandle) -> None:
        """Move a client to this viewpoint."""
        with client.atomic():
            client.camera.up_direction = self.up
            client.camera.position = self.eye
            client.camera.look_at = self.target
            client.camera.fov = self.fov
            client.camera.near = self.near


def through_camera(camera: Cameras, distance: float, aspect: float, near: float, *, fill: bool = False) -> Viewpoint:
    """The viewpoint of one camera.

    Args:
        camera: the camera, of shape ().
        distance: of the orbit's target along the optical axis, in meters.
        aspect: width over height of the client's canvas.
        near: distance of the near plane in meters.
        fill: the image fills the width of the canvas; otherwise the whole image is visible.
    """
    fov_for_width = 2 * np.arctan(np.tan(camera.horizontal_fov / 2) / aspect)
    fov = float(fov_for_width if fill else max(camera.vertical_fov, fov_for_width))
    right, up = camera.c2w[:3, 0], -camera.c2w[:3, 1]
    level = abs(right @ UP) < 0.02 and up @ UP > 0.05  # then the mouse can orbit about the vertical
    return Viewpoint(camera.centers, camera.centers + distance * camera.forward, UP if level else up, fov, near)


def image_share(camera: Cameras, fov: float, aspect: float) -> tuple[float, float]:
    """Width and height of a camera's image as fractions of a canvas with a vertical field of view `fov`."""
    half = np.tan(fov / 2)
    return float(np.tan(camera.horizontal_fov / 2) / (half * aspect)), float(np.tan(camera.vertical_fov / 2) / half)


def middle_view(cameras: Cameras) -> int:
    """The camera of (V,) with the smallest sum of distances to the others; the first of equal ones."""
    centers = cameras.centers
    sums = np.linalg.norm(centers[:, None] - centers[None], axis=-1).sum(axis=1)
    return int(np.argmin(sums.round(6 - int(np.floor(np.log10(sums.max() + 1e-9))))))
