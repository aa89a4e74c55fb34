"""Random scenes of one or two objects, a ground, a sky, a sun and at most one motion.

The layout varies little, because a small model must learn it on two cores. A single object stands at the origin; of two
objects, the one that the caption names first stands at negative x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from cvd3d.training.world.draws import chance, choose, uniform
from cvd3d.training.world.held_out import is_held_out
from cvd3d.training.world.objects import COLORS, CUSTOMARY_COLOR, OBJECTS
from cvd3d.training.world.primitives import Primitives, concatenate
from cvd3d.training.world.surroundings import GROUNDS, SKIES

STILL, BOUNCING, SPINNING, DRIVING = "still", "bouncing", "spinning", "driving"

BOUNCE_HEIGHT = 0.6  # meters; one bounce a second
SPIN_RATE = 0.5  # turns per second
DRIVE_SPEED = 0.8  # meters per second, from -DRIVE_REACH to +DRIVE_REACH around the car's position
DRIVE_REACH = 0.8

SPACING = 0.95  # meters from the origin to either of two objects
JITTER = 0.12
SUN_AZIMUTH = math.radians(-130.0)  # over the left shoulder of a camera that looks along +y


@dataclass(frozen=True)
class Object:
    """An object with its pose at rest and its motion."""

    kind: str
    """A key of `objects.OBJECTS`."""
    color: str
    """A key of `objects.COLORS`."""
    position: tuple[float, float]
    """x and y on the ground in meters."""
    yaw: float
    """Radians about +z."""
    size: float
    """Scale; 1 is about a meter."""
    action: str = STILL
    """STILL, BOUNCING, SPINNING or DRIVING."""
    phase: float = 0.0
    """Phase of the action at time 0 in [0, 1), as a share of a bounce, a turn, or the first half second of a drive."""

    def at(self, time: float) -> Primitives:
        """The object's primitives in world coordinates at `time` seconds."""
        (x, y), z, yaw = self.position, 0.0, self.yaw
        if self.action == BOUNCING:
            z = BOUNCE_HEIGHT * abs(math.sin(math.pi * (time + self.phase)))
        elif self.action == SPINNING:
            yaw += 2.0 * math.pi * (SPIN_RATE * time + self.phase)
        elif self.action == DRIVING:
            along = min(max(DRIVE_SPEED * (time + 0.5 * self.phase) - DRIVE_REACH, -DRIVE_REACH), DRIVE_REACH)
            x, y = x + along * math.cos(yaw), y + along * math.sin(yaw)
        return OBJECTS[self.kind](COLORS[self.color]).placed((x, y, z), yaw, self.size)


@dataclass(frozen=True)
class World:
    """A scene with its geometry at any time."""

    objects: tuple[Object, ...]
    """Objects in the order of the caption."""
    ground: str = "grass"
    """A key of `GROUNDS`."""
    sky: str = "clear"
    """A key of `SKIES`."""
    sun_azimuth: float = SUN_AZIMUTH
    """Radians from +x towards +y, from the scene to the sun."""
    sun_elevation: float = math.radians(52.0)
    """Radians above the horizon."""

    def at(self, time: float) -> Primitives:
        """All primitives at `time` seconds."""
        return concatenate([thing.at(time) for thing in self.objects])

    @property
    def to_sun(self) -> np.ndarray:
        """(3,) unit vector from the scene to the sun."""
        level = math.cos(self.sun_elevation)
        return np.array(
            [level * math.cos(self.sun_azimuth), level * math.sin(self.sun_azimuth), math.sin(self.sun_elevation)]
        )


def sample_world(generator: torch.Generator) -> World:
    """Draw a scene that is not held out: half have two objects, 60 % are still; grass and clear sky are most common."""
    while True:
        world = _draw_world(generator)
        if not is_held_out([(thing.kind, thing.color) for thing in world.objects], world.ground):
            return world


def make_world(things: Sequence[tuple[str, str, str]], ground: str, sky: str, generator: torch.Generator) -> World:
    """A scene of the given objects, placed as in training.

    Args:
        things: kind, color and action of one or two objects, in the order of the caption.
        ground: a key of `GROUNDS`.
        sky: a key of `SKIES`.
        generator: draws what captions do not mention: exact positions, sizes, headings and the direction of the sun.
    """
    objects = []
    for index, (kind, color, action) in enumerate(things):
        # With two objects, a car drives across the line between them, so that they do not collide.
        heading = 90.0 if action == DRIVING and len(things) == 2 else 20.0
        x = 0.0 if len(things) == 1 else SPACING * (2 * index - 1)
        objects.append(
            Object(
                kind=kind,
                color=color,
                position=(x + uniform(generator, -JITTER, JITTER), uniform(generator, -JITTER, JITTER)),
                yaw=math.radians(heading + uniform(generator, -15.0, 15.0)),
                size=uniform(generator, 1.15, 1.4),
                action=action,
                phase=uniform(generator),
            )
        )
    return World(
        objects=tuple(objects),
        ground=ground,
        sky=sky,
        sun_azimuth=SUN_AZIMUTH + math.radians(uniform(generator, -25.0, 25.0)),
        sun_elevation=math.radians(uniform(generator, 45.0, 60.0)),
    )


def _draw_world(generator: torch.Generator) -> World:
    count = 1 if chance(generator, 0.5) else 2
    kinds = [choose(generator, tuple(OBJECTS)) for _ in range(count)]
    mover = int(uniform(generator, 0, count)) if chance(generator, 0.4) else None
    things = []
    for index, kind in enumerate(kinds):
        color = CUSTOMARY_COLOR[kind] if chance(generator, 0.15) else choose(generator, tuple(COLORS))
        things.append((kind, color, _draw_action(kind, generator) if index == mover else STILL))
    ground = "grass" if chance(generator, 0.2) else choose(generator, tuple(GROUNDS))
    sky = "clear" if chance(generator, 0.2) else choose(generator, tuple(SKIES))
    return make_world(things, ground, sky, generator)


def _draw_action(kind: str, generator: torch.Generator) -> str:
    if kind == "car" and chance(generator, 0.6):
        return DRIVING
    return choose(generator, (BOUNCING, SPINNING))
