"""Where a rig looks first, seen from above."""

from __future__ import annotations

import numpy as np

from trajectories.cameras import Cameras
from trajectories.rig import Rig

VERTICAL = 1e-6
"""A view whose direction has a horizontal part shorter than this looks straight up or down."""


def heading_turn(cameras: Cameras) -> np.ndarray:
    """The turn about z by which the first camera of the first video would look along +y, with +x to its right.

    Args:
        cameras: any leading shape, such as (V, T).

    Returns:
        (4, 4) rigid motion for `Cameras.transformed`. A camera that looks straight up or down is turned so that its x
        axis lies along +x.
    """
    first = cameras.R.reshape(-1, 3, 3)[0]
    x, y = first[:2, 2]
    if np.hypot(x, y) < VERTICAL:
        x, y = -first[1, 0], first[0, 0]
    c, s = np.array([y, x]) / np.hypot(x, y)
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    return turn


def cameras_from_heading(rig: Rig) -> Cameras:
    """The rig's (V, T) cameras after its `heading_turn`: the frame in which the default model places objects.

    What a prompt names first is then on the left of the first camera's picture.
    """
    return rig.cameras.transformed(heading_turn(rig.cameras))
