"""Renders the videos of a rig for a world, in the orientation that captions refer to."""

from __future__ import annotations

import numpy as np

from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import World
from cvd3d.training.world.visibility import visible_share
from trajectories import Rig
from trajectories.heading import cameras_from_heading


def film(world: World, rig: Rig) -> np.ndarray:
    """(V, T, H, W, 3) uint8 videos of the world at the rig's cameras and times."""
    return render(world, cameras_from_heading(rig), rig.times)


def shown(world: World, rig: Rig) -> np.ndarray:
    """(V, T, N) share of the pixels of each frame of `film` that show each of the world's N objects."""
    return visible_share(world, cameras_from_heading(rig), rig.times)
