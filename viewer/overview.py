"""The view of a whole scene from behind its cameras."""

from __future__ import annotations

import numpy as np

from trajectories.rig import Rig
from viewer.framing import Framing, frame_scene
from viewer.viewpoints import UP, Viewpoint

OVERVIEW_FOV = float(np.radians(50.0))


class Overview:
    """A view of all cameras and positions of the scene."""

    def __init__(self) -> None:
        self._rig: Rig | None = None
        self._positions: np.ndarray | None = None
        self.framing = frame_scene(None)

    @property
    def has_positions(self) -> bool:
        """Whether the view takes points of the scene into account."""
        return self._positions is not None

    @property
    def viewpoint(self) -> Viewpoint:
        return overview(self.framing)

    def include(self, *, rig: Rig | None = None, positions: np.ndarray | None = None) -> Framing:
        """Update the view for a new rig or new positions (P, 3)."""
        self._rig = self._rig if rig is None else rig
        self._positions = self._positions if positions is None else positions
        self.framing = frame_scene(self._rig, self._positions)
        return self.framing


def overview(framing: Framing) -> Viewpoint:
    """The viewpoint of a framing."""
    return Viewpoint(framing.eye, framing.target, UP, OVERVIEW_FOV, 0.005 * framing.radius)
