"""Regions to crop splats to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from trajectories.errors import InputError

Corner = tuple[float, float, float]


@dataclass(frozen=True)
class Box:
    """An axis-aligned box.

    Raises:
        InputError: an end is not a number, or `low` is not below `high`.
    """

    low: Corner
    """The smallest x, y and z."""
    high: Corner
    """The largest x, y and z; `inf` is no limit."""

    def __post_init__(self) -> None:
        if not (np.shape(self.low) == np.shape(self.high) == (3,) and (np.array(self.low) < self.high).all()):
            raise InputError(f"The box from {self.low} to {self.high} is empty; give the smaller corner first.")

    def contains(self, points: Tensor) -> Tensor:
        """(N,) bool: which of the points (N, 3) are inside."""
        return ((points >= points.new_tensor(self.low)) & (points <= points.new_tensor(self.high))).all(dim=1)


@dataclass(frozen=True)
class Sphere:
    """A ball around a point.

    Raises:
        InputError: the center is not finite, or the radius is not positive.
    """

    center: Corner
    radius: float

    def __post_init__(self) -> None:
        if np.shape(self.center) != (3,) or not np.isfinite(self.center).all():
            raise InputError(f"The center of the sphere is {self.center}; give three numbers x, y, z.")
        if not self.radius > 0:
            raise InputError(f"The radius of the sphere is {self.radius:g}; give a number above 0.")

    def contains(self, points: Tensor) -> Tensor:
        """(N,) bool: which of the points (N, 3) are inside."""
        return (points - points.new_tensor(self.center)).norm(dim=1) <= self.radius
