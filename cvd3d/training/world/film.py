"""Renders the videos of a rig for a world, in the orientation that captions refer to."""

from __future__ import annotations

import numpy as np

from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import World
from cvd3d.training.world.visibility import visible_share
from trajectories import Rig
from trajectories.cameras import Cameras
from trajectories.heading import heading_turn


def turned_cameras(rig: Rig) -> Cameras:
    """The rig's (V, T) cameras, rotated about z so that the first one looks along +y.

    The object that a prompt names first is then on the left in the first frame.
    """
    return rig.cameras.transformed(heading_turn(rig.cameras))


def film(world: World, rig: Rig) -> np.ndarray:
    """(V, T, H, W, 3) uint8 videos of the world at the rig's cameras and times."""
    return render(world, turned_cameras(rig), rig.times)


def shown(world: World, rig: Rig) -> np.ndarray:
    """(V, T, N) share of the pixels of each frame of `film` that show each of the world's N objects."""
    return visible_share(world, turned_cameras(rig), rig.times)
