"""Colored convex solids, from which all objects are built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

# Definitions in the unit frame of a primitive, where its half sizes are 1:
SPHERE = 0  # x² + y² + z² <= 1
BOX = 1  # |x|, |y|, |z| <= 1
CYLINDER = 2  # x² + y² <= 1, |z| <= 1
CONE = 3  # x² + y² <= ((1 - z) / 2)², z >= -1: the apex is on top
ROOF = 4  # |x| <= 1, |y| <= (1 - z) / 2, z >= -1: the ridge runs along x
WHEEL = 5  # x² + z² <= 1, |y| <= 1: a cylinder whose axle runs along y


@dataclass(frozen=True, eq=False)
class Primitives:
    """P upright primitives in one right-handed frame, z up, meters."""

    kinds: np.ndarray
    """(P,) int64: SPHERE, BOX, CYLINDER, CONE, ROOF or WHEEL."""
    centers: np.ndarray
    """(P, 3) centers of the bounding boxes."""
    yaws: np.ndarray
    """(P,) radians about +z through the center, counter-clockwise seen from above."""
    half_sizes: np.ndarray
    """(P, 3) half sizes along the x, y and z axes of the primitive."""
    colors: np.ndarray
    """(P, 3) RGB in [0, 1]."""
    striped: np.ndarray
    """(P,) bool: two of the four quarters around the vertical axis are darker, so that a round solid's turn shows."""

    def __len__(self) -> int:
        return len(self.kinds)

    def placed(self, position: Sequence[float], yaw: float = 0.0, size: float = 1.0) -> Primitives:
        """The primitives scaled by `size`, rotated by `yaw` about the z axis, then translated by `position` (3,)."""
        c, s = np.cos(yaw), np.sin(yaw)
        R = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
        centers = size * self.centers @ R.T + np.asarray(position, dtype=np.float64)
        return replace(self, centers=centers, yaws=self.yaws + yaw, half_sizes=size * self.half_sizes)


def primitive(
    kind: int,
    center: Sequence[float],
    half_sizes: Sequence[float],
    color: Sequence[float],
    *,
    yaw: float = 0.0,
    striped: bool = False,
) -> Primitives:
    """One primitive; see `Primitives` for the units."""
    return Primitives(
        kinds=np.array([kind], dtype=np.int64),
        centers=np.array([center], dtype=np.float64),
        yaws=np.array([yaw], dtype=np.float64),
        half_sizes=np.array([half_sizes], dtype=np.float64),
        colors=np.array([color], dtype=np.float64),
        striped=np.array([striped]),
    )


def concatenate(parts: Sequence[Primitives]) -> Primitives:
    """All primitives of all parts (at least one), in order."""
    names = ("kinds", "centers", "yaws", "half_sizes", "colors", "striped")
    return Primitives(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
