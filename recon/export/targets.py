"""The axes of the programs that a scene is exported to; needs no library, so that a command can name them at once."""

from __future__ import annotations

from dataclasses import dataclass

Rows = tuple[tuple[int, int, int], tuple[int, int, int], tuple[int, int, int]]


@dataclass(frozen=True)
class TargetAxes:
    """Where our axes (x right, y forward, z up, right-handed, meters) go in another program."""

    words: str
    """The program's axes."""
    rows: Rows
    """Its axes in ours: a signed permutation M with `theirs = unit * M @ ours`; det M is -1 where it is left-handed."""
    unit: float = 1.0
    """How many of its units make a meter."""


TARGETS = {
    "opengl": TargetAxes("x right, y up, z backward, right-handed, meters", ((1, 0, 0), (0, 0, 1), (0, -1, 0))),
    "unity": TargetAxes("x right, y up, z forward, left-handed, meters", ((1, 0, 0), (0, 0, 1), (0, 1, 0))),
    # Our y becomes -y, as between Blender and Unreal.
    "unreal": TargetAxes("z up, left-handed, centimeters; our y is its -y", ((1, 0, 0), (0, -1, 0), (0, 0, 1)), 100.0),
    "blender": TargetAxes("z up, right-handed, meters, as here", ((1, 0, 0), (0, 1, 0), (0, 0, 1))),
}
