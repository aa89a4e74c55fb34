"""The initial view of a scene, to which clients can return."""

from __future__ import annotations

import numpy as np
import viser

from trajectories.rig import Rig
from viewer.framing import OpeningView, frame_scene

OVERVIEW_FOV = float(np.radians(50.0))


class Overview:
    """A view of all cameras and positions of the scene."""

    def __init__(self, server: viser.ViserServer) -> None:
        self._server = server
        self._rig: Rig | None = None
        self._positions: np.ndarray | None = None
        self.framing = self._choose()

    @property
    def has_positions(self) -> bool:
        """Whether the view takes points of the scene into account."""
        return self._positions is not None

    def include(self, *, rig: Rig | None = None, positions: np.ndarray | None = None) -> OpeningView:
        """Update the view for a new rig or new positions (P, 3); only the first call moves the clients."""
        first = self._rig is None and self._positions is None
        self._rig = self._rig if rig is None else rig
        self._positions = self._positions if positions is None else positions
        self.framing = self._choose()
        if first:
            for client in self._server.get_clients().values():
                self.show_to(client)
        return self.framing

    def show_to(self, client: viser.ClientHandle) -> None:
        """Move a client to the overview."""
        initial = self._server.initial_camera
        with client.atomic():
            client.camera.up_direction = np.array([0.0, 0.0, 1.0])
            client.camera.position = initial.position
            client.camera.look_at = initial.look_at
            client.camera.fov = initial.fov
            client.camera.near = initial.near

    def _choose(self) -> OpeningView:
        framing = frame_scene(self._rig, self._positions)
        initial = self._server.initial_camera
        initial.position, initial.look_at, initial.fov = framing.eye, framing.target, OVERVIEW_FOV
        initial.near, initial.far = 0.005 * framing.radius, 500.0 * framing.radius
        return framing
