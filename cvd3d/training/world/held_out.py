"""Combinations of objects, colors and grounds that are held out of training, for evaluation.

The lists are fixed by constant seeds, and contain every kind, color and ground about equally often.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from cvd3d.training.world.objects import COLORS, OBJECTS
from cvd3d.training.world.surroundings import GROUNDS

COUNT = 50  # combinations with one object, and as many with two

Thing = tuple[str, str]  # a kind and a color


@cache
def held_out_singles() -> tuple[tuple[Thing, str], ...]:
    """(kind, color) and ground of the scenes with one object."""
    kinds, colors, grounds = _shuffled(OBJECTS, 1), _shuffled(COLORS, 2), _shuffled(GROUNDS, 3)
    return tuple(((kind, color), ground) for kind, color, ground in zip(kinds, colors, grounds))


@cache
def held_out_pairs() -> tuple[tuple[Thing, Thing], ...]:
    """(kind, color) of the first and of the second object; both orders are held out."""
    firsts = zip(_shuffled(OBJECTS, 4), _shuffled(COLORS, 5))
    seconds = zip(_shuffled(OBJECTS, 6), _shuffled(COLORS, 7))
    return tuple(zip(firsts, seconds))


def is_held_out(things: Sequence[Thing], ground: str) -> bool:
    """Whether a scene of these objects on this ground is held out."""
    if len(things) == 1:
        return (things[0], ground) in held_out_singles()
    return any((a, b) in held_out_pairs() or (b, a) in held_out_pairs() for a, b in zip(things, things[1:]))


def _shuffled(names: Sequence[str] | dict, seed: int) -> list[str]:
    """`COUNT` of the names in a random order that depends on the seed only; their frequencies differ by at most 1."""
    rng = np.random.default_rng(seed)
    names = list(names)
    drawn = [name for _ in range(-(-COUNT // len(names))) for name in rng.permutation(names)]
    return [str(name) for name in drawn[:COUNT]]
