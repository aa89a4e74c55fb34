"""The prompts of the measures: held-out combinations, each with a fixed world."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from cvd3d.training.world.captions import ADJECTIVES, GROUND_PHRASES, NOUNS, PARTICIPLES, SKY_PHRASES
from cvd3d.training.world.held_out import COUNT, Thing, held_out_pairs, held_out_singles
from cvd3d.training.world.prompts import world_of
from cvd3d.training.world.scenes import BOUNCING, DRIVING, STILL, World, make_world
from cvd3d.training.world.surroundings import GROUNDS, SKIES

ALL = 2 * COUNT
DEFAULT_PROMPT, DEFAULT_RIG = "a red cube and a blue ball on green grass under a blue sky", "orbit"
"""Those of the README's first command, `cvd3d scene`."""


@dataclass(frozen=True)
class Case:
    """A prompt and a world that it describes."""

    number: int
    prompt: str
    world: World
    """The world of the true renders."""

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Kind and color of each named object."""
        return tuple((thing.kind, thing.color) for thing in self.world.objects)


def held_out_case(number: int, moves: bool = False) -> Case:
    """One of the `ALL` held-out prompts: one object for even numbers, two objects for odd numbers.

    Args:
        number: from 0 to ALL - 1.
        moves: whether the first object moves: a car drives, any other object bounces.
    """
    index = number // 2
    things: tuple[Thing, ...]
    if number % 2:
        things, ground = held_out_pairs()[index], tuple(GROUNDS)[index % len(GROUNDS)]
    else:
        thing, ground = held_out_singles()[index]
        things = (thing,)
    actions = [STILL] * len(things)
    if moves:
        actions[0] = DRIVING if things[0][0] == "car" else BOUNCING
    named = [(kind, color, action) for (kind, color), action in zip(things, actions)]
    sky = tuple(SKIES)[index % len(SKIES)]
    world = make_world(named, ground, sky, torch.Generator().manual_seed(number))
    return Case(number, full_caption(world), world)


def default_case() -> Case:
    """The scene of the README's first command."""
    return Case(0, DEFAULT_PROMPT, world_of(DEFAULT_PROMPT, torch.Generator().manual_seed(0)))


def full_caption(world: World) -> str:
    """A caption that names every object, color, motion, ground and sky, in fixed words."""
    things = []
    for thing in world.objects:
        motion = "" if thing.action == STILL else PARTICIPLES[thing.action][0] + " "
        phrase = f"{motion}{ADJECTIVES[thing.color][0]} {NOUNS[thing.kind][0]}"
        things.append(f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}")
    return f"{' and '.join(things)} {GROUND_PHRASES[world.ground][0]} {SKY_PHRASES[world.sky][0]}"
