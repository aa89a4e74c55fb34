"""A rig's videos of a world, as the prompt's words mean it."""

from __future__ import annotations

import numpy as np

from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import World
from cvd3d.training.world.visibility import visible_share
from trajectories import Rig
from trajectories.cameras import Cameras
from trajectories.heading import heading_turn


def turned_cameras(rig: Rig) -> Cameras:
    """The rig's (V, T) cameras in the world's own frame, where the first of them looks along +y.

    So what a prompt names first stands on the left of its first picture.
    """
    return rig.cameras.transformed(heading_turn(rig.cameras))


def film(world: World, rig: Rig) -> np.ndarray:
    """(V, T, H, W, 3) uint8 videos of the world by the rig, on the rig's clock."""
    return render(world, turned_cameras(rig), rig.times)


def shown(world: World, rig: Rig) -> np.ndarray:
    """(V, T, N) share of each frame of `film` that shows each of the world's N objects."""
    return visible_share(world, turned_cameras(rig), rig.times)
