"""Random homographies that warp a clip into a second video with known matches (paper, appendix A.2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import cv2
import numpy as np
import torch

from trajectories.errors import InputError

FULL_COVERAGE = 0.999  # a warped pixel is valid if the clip contributes at least this share of it


@dataclass(frozen=True)
class Warp:
    """Standard deviations of the last frame's warp; lengths in units of half the image height, angles in radians.

    The paper does not publish them. With these, about 4/5 of the clip stay visible on average (docs/training.md).

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
    """(frames, 3, 3) homographies from a clip's pixels to its warped copy's, the identity at frame 0.

    H_k = Ht Hr Hs Hsh Hp about the image center. The nine parameters of the last frame are normally distributed; they
    grow linearly over the frames.
    """
    deviations = np.array([warp.translation] * 2 + [warp.rotation] + [warp.scale] * 2 + [warp.shear] * 2
                          + [warp.perspective] * 2)  # fmt: skip
    last = deviations * torch.randn(9, generator=generator, dtype=torch.float64).numpy()
    share = np.arange(frames) / max(frames - 1, 1)
    centered = np.stack([_matrix(parameters) for parameters in share[:, None] * last])
    # From pixels to coordinates about the center, in units of half the image height.
    normalize = np.array([[2 / height, 0, -width / height], [0, 2 / height, -1], [0, 0, 1]])
    homographies = np.linalg.inv(normalize) @ centered @ normalize
    return homographies / homographies[:, 2:, 2:]


def warp_frames(frames: np.ndarray, homographies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Warp (T, H, W, 3) uint8 frames by (T, 3, 3) homographies of their pixels.

    Returns:
        The warped frames, black outside the clip, and a (T, H, W) bool mask of the pixels inside it.
    """
    height, width = frames.shape[1:3]
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV's origin is the center of the first pixel
    maps = np.linalg.inv(corner) @ homographies @ corner
    ones = np.ones((height, width), dtype=np.float32)
    warped = np.stack([cv2.warpPerspective(frame, M, (width, height)) for frame, M in zip(frames, maps)])
    coverage = np.stack([cv2.warpPerspective(ones, M, (width, height)) for M in maps])
    return warped, coverage > FULL_COVERAGE


def _matrix(parameters: np.ndarray) -> np.ndarray:
    t0, t1, angle, s0, s1, sh0, sh1, p0, p1 = parameters
    cos, sin = math.cos(angle), math.sin(angle)
    translation = np.array([[1, 0, t0], [0, 1, t1], [0, 0, 1]])
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    scale = np.diag([1 + s0, 1 + s1, 1])
    shear = np.array([[1, sh0, 0], [sh1, 1, 0], [0, 0, 1]])
    perspective = np.array([[1, 0, 0], [0, 1, 0], [p0, p1, 1]])
    return translation @ rotation @ scale @ shear @ perspective
