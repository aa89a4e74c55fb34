"""Axes and units of the programs that scenes are exported to; imports no heavy library, so commands start quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trajectories.similarity import Similarity

Rows = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True)
class TargetAxes:
    """The map from our axes (x right, y forward, z up, right-handed, meters) to those of another program."""

    words: str
    """The program's axes, as text."""
    rows: Rows
    """The signed permutation M in `theirs = unit * M @ ours`; det M is -1 if the program is left-handed."""
    unit: float = 1.0
    """The program's units per meter."""

    @property
    def similarity(self) -> Similarity:
        """The map from our world to the program's."""
        import numpy as np

        from trajectories.similarity import Similarity

        return Similarity(np.array(self.rows), self.unit)


Y_DOWN = TargetAxes("x right, y down, z forward, right-handed, meters", ((1, 0, 0), (0, 0, -1), (0, 1, 0)))
"""The axes of INRIA's files, which follow COLMAP's first camera; viewers turn them by 180 degrees about z."""

TARGETS = {
    "supersplat": Y_DOWN,
    "web": Y_DOWN,
    "opengl": TargetAxes("x right, y up, z backward, right-handed, meters", ((1, 0, 0), (0, 0, 1), (0, -1, 0))),
    "unity": TargetAxes("x right, y up, z forward, left-handed, meters", ((1, 0, 0), (0, 0, 1), (0, 1, 0))),
    # Our y becomes -y, the usual convention between Blender and Unreal.
    "unreal": TargetAxes("z up, left-handed, centimeters; our y is its -y", ((1, 0, 0), (0, -1, 0), (0, 0, 1)), 100.0),
    "blender": TargetAxes("z up, right-handed, meters, as here", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
}
