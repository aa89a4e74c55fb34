"""Similarities: a rotation or reflection, a scale and a translation of the whole world."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from trajectories.errors import InputError

TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Similarity:
    """The map `x -> scale * rotation @ x + translation`.

    Raises:
        InputError: the rotation is not orthogonal, the scale is not positive, or a value is not finite.
    """

    rotation: np.ndarray = field(default_factory=lambda: np.eye(3))
    """(3, 3) orthogonal; a reflection (determinant -1) leads to a left-handed world."""
    scale: float = 1.0
    translation: np.ndarray = field(default_factory=lambda: np.zeros(3))
    """(3,) in the units of the result."""

    def __post_init__(self) -> None:
        rotation, translation = (np.array(value, dtype=np.float64) for value in (self.rotation, self.translation))
        square = rotation.shape == (3, 3)
        if not square or not np.allclose(rotation @ rotation.T, np.eye(3), rtol=0, atol=TOLERANCE):
            raise InputError(f"The rotation of a similarity is {rotation.tolist()}; give an orthogonal 3x3 matrix.")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise InputError(f"The scale of a similarity is {self.scale:g}; give a number above 0.")
        if translation.shape != (3,) or not np.isfinite(translation).all():
            raise InputError(f"The translation of a similarity is {translation.tolist()}; give three numbers x, y, z.")
        for name, value in (("rotation", rotation), ("scale", float(self.scale)), ("translation", translation)):
            object.__setattr__(self, name, value)

    def __call__(self, points: ArrayLike) -> np.ndarray:
        """(..., 3) mapped points; float32 points stay float32."""
        points = np.asarray(points)
        return points @ (self.scale * self.rotation.T).astype(points.dtype) + self.translation.astype(points.dtype)

    @property
    def inverse(self) -> Similarity:
        """The map back."""
        return Similarity(self.rotation.T, 1 / self.scale, -self.rotation.T @ self.translation / self.scale)

    def after(self, first: Similarity) -> Similarity:
        """The similarity that applies `first` and then this one."""
        return Similarity(self.rotation @ first.rotation, self.scale * first.scale, self(first.translation))
