"""Measures the share of an image that shows each object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cvd3d.training.world.render import render_depth
from cvd3d.training.world.scenes import World
from trajectories.cameras import Cameras

NOTHING = 1e-6  # the size of a removed object


def visible_share(world: World, cameras: Cameras, times: np.ndarray | float = 0.0) -> np.ndarray:
    """The share of the pixels that show each object, which are those whose depth changes if it is removed.

    Args:
        world: N objects.
        cameras: any leading shape (...).
        times: seconds; broadcast to (...).

    Returns:
        (..., N) in [0, 1].
    """
    depth = render_depth(world, cameras, times)
    shares = []
    for index, thing in enumerate(world.objects):
        others = (*world.objects[:index], replace(thing, size=NOTHING), *world.objects[index + 1 :])
        without = render_depth(replace(world, objects=others), cameras, times)
        shares.append((depth != without).mean(axis=(-2, -1)))
    return np.stack(shares, axis=-1)
