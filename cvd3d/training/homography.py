"""A clip and its warped copy as a pair with known matches (paper, appendix A.2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch

from trajectories.errors import InputError

WHOLE = 0.999  # a warped pixel that mixes in more of the border than this leaves shows nothing


@dataclass(frozen=True)
class Warp:
    """Standard deviations of the last frame's warp; lengths in halves of the image's height, angles in radians.

    The paper does not publish them. These keep about four fifths of the clip in sight on average (docs/training.md).

    Raises:
        InputError: a deviation that is negative or not finite.
    """

    translation: float = 0.15
    rotation: float = math.radians(8)
    scale: float = 0.1
    shear: float = 0.06
    perspective: float = 0.06

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (math.isfinite(value) and value >= 0):
                shown = f"{math.degrees(value):g} degrees" if field.name == "rotation" else f"{value:g}"
                raise InputError(f"The warp's {field.name} is {shown}; give a standard deviation of 0 or more.")


def sample_homographies(warp: Warp, frames: int, width: int, height: int, generator: torch.Generator) -> np.ndarray:
    """(frames, 3, 3) maps of a clip's pixels to its warped copy's, from the identity at frame 0 to a random one.

    H_k = Ht Hr Hs Hsh Hp about the image's center; the nine controls of the last frame are normal, and grow linearly.
    """
    deviations = np.array([warp.translation] * 2 + [warp.rotation] + [warp.scale] * 2 + [warp.shear] * 2
                          + [warp.perspective] * 2)  # fmt: skip
    last = deviations * torch.randn(9, generator=generator, dtype=torch.float64).numpy()
    share = np.arange(frames) / max(frames - 1, 1)
    centered = np.stack([_matrix(control) for control in share[:, None] * last])
    # Pixels to coordinates about the center, in halves of the height.
    inwards = np.array([[2 / height, 0, -width / height], [0, 2 / height, -1], [0, 0, 1]])
    homographies = np.linalg.inv(inwards) @ centered @ inwards
    return homographies / homographies[:, 2:, 2:]


def warp_frames(frames: np.ndarray, homographies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Warp (T, H, W, 3) uint8 frames by (T, 3, 3) maps of their pixels.

    Returns:
        The warped frames, black where nothing is seen, and (T, H, W) bool: where something is.
    """
    height, width = frames.shape[1:3]
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV counts from the center of the first pixel
    maps = np.linalg.inv(corner) @ homographies @ corner
    whole = np.ones((height, width), dtype=np.float32)
    warped = np.stack([cv2.warpPerspective(frame, M, (width, height)) for frame, M in zip(frames, maps)])
    seen = np.stack([cv2.warpPerspective(whole, M, (width, height)) for M in maps])
    return warped, seen > WHOLE


def _matrix(control: np.ndarray) -> np.ndarray:
    t0, t1, angle, s0, s1, sh0, sh1, p0, p1 = control
    cos, sin = math.cos(angle), math.sin(angle)
    translation = np.array([[1, 0, t0], [0, 1, t1], [0, 0, 1]])
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    scale = np.diag([1 + s0, 1 + s1, 1])
    shear = np.array([[1, sh0, 0], [sh1, 1, 0], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [p0, p1, 1]])
    return translation @ rotation @ scale @ shear @ perspective
