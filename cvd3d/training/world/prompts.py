"""Parses a prompt into a world, with the grammar of the captions."""

from __future__ import annotations

import torch

from cvd3d.training.world.captions import (
    ADJECTIVES,
    GROUND_PHRASES,
    JOINS,
    NOUNS,
    OPENINGS,
    PARTICIPLES,
    SKY_PHRASES,
    VERBS,
    words,
)
from cvd3d.training.world.objects import CUSTOMARY_COLOR
from cvd3d.training.world.scenes import STILL, World, make_world
from trajectories import InputError

MOST_THINGS = 2

_KIND, _COLOR, _ACTION, _GROUND, _SKY, _JOIN, _FILLER = "thing", "color", "motion", "ground", "sky", "join", "filler"
_TABLES = (
    (_KIND, NOUNS), (_COLOR, ADJECTIVES), (_ACTION, PARTICIPLES), (_ACTION, VERBS), (_GROUND, GROUND_PHRASES),
    (_SKY, SKY_PHRASES), (_JOIN, {"": JOINS}), (_FILLER, {"": (*OPENINGS, "a", "an", "the", "that is", "that")}),
)  # fmt: skip
_MEANINGS: dict[tuple[str, ...], tuple[str, str]] = {
    tuple(phrase.split()): (role, value)
    for role, table in _TABLES
    for value, phrases in table.items()
    for phrase in phrases
}
_LONGEST = max(map(len, _MEANINGS))


def world_of(prompt: str, generator: torch.Generator) -> World:
    """The world that a prompt describes; the defaults are those of captions: customary colors, grass and a clear sky.

    Args:
        prompt: one or two things with their colors and motions, a ground and a sky, such as "a red cube and a bouncing
            ball on sand at night".
        generator: draws what captions do not mention (see `make_world`).

    Raises:
        InputError: a word outside the grammar, or words that do not describe a world.
    """
    things: list[dict[str, str]] = [{}]
    around: dict[str, str] = {}
    for role, value in _read(prompt):
        if role == _JOIN:
            things.append({})
        elif role in (_GROUND, _SKY):
            _set(around, role, value, prompt)
        elif role != _FILLER:
            _set(things[-1], role, value, prompt)
    for thing in things:
        if _KIND not in thing:
            raise InputError(f"The prompt {prompt!r} lacks the name of a thing; the world has {', '.join(NOUNS)}.")
    if len(things) > MOST_THINGS:
        raise InputError(f"The prompt {prompt!r} names {len(things)} things; the world shows one or two.")
    named = [
        (kind, thing.get(_COLOR, CUSTOMARY_COLOR[kind]), thing.get(_ACTION, STILL))
        for thing in things
        for kind in [thing[_KIND]]
    ]
    return make_world(named, around.get(_GROUND, "grass"), around.get(_SKY, "clear"), generator)


def _read(prompt: str) -> list[tuple[str, str]]:
    """Role and value of each phrase; the longest matching phrase is taken."""
    left = ["grey" if word == "gray" else word for word in words(prompt)]
    meanings = []
    while left:
        length = next((n for n in range(min(_LONGEST, len(left)), 0, -1) if tuple(left[:n]) in _MEANINGS), None)
        if length is None:
            raise InputError(
                f"The world cannot show {left[0]!r} in {prompt!r}; it has the things {', '.join(NOUNS)}, the colors "
                f"{', '.join(ADJECTIVES)}, the motions {', '.join(sorted(p[0] for p in PARTICIPLES.values()))}, the "
                f"grounds {', '.join(repr(p[1]) for p in GROUND_PHRASES.values())}, and the skies "
                f"{', '.join(repr(p[0]) for p in SKY_PHRASES.values())}."
            )
        meanings.append(_MEANINGS[tuple(left[:length])])
        left = left[length:]
    return meanings


def _set(found: dict[str, str], role: str, value: str, prompt: str) -> None:
    if role in found:
        hint = "; put 'and' between two things" if role in (_KIND, _COLOR, _ACTION) else ""
        raise InputError(f"The prompt {prompt!r} names a second {role}, {value!r}, where one fits{hint}.")
    found[role] = value
