"""The cameras of a rig on the page: frustums, paths, and clients that look through a camera."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import numpy as np
import viser

from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.overview import Overview
from viewer.panels import CameraPanel, add_camera_panel
from viewer.scene_nodes import CameraNodes, Frames, look_through


class CameraViews:
    """A rig's cameras with their frames, and the clients that look through them.

    Args:
        server: viser's server.
        overview: the view to which clients return.
        lock: held while the page is changed.
        notice: called with the error message of a frame that cannot be read; the frame is skipped.
    """

    def __init__(
        self, server: viser.ViserServer, overview: Overview, lock: threading.RLock, notice: Callable[[str], None]
    ) -> None:
        self.rig: Rig | None = None
        self.panel: CameraPanel | None = None
        self._server, self._overview, self._lock, self._notice = server, overview, lock, notice
        self._nodes: CameraNodes | None = None
        self._frame = 0
        self._view_of_client: dict[int, int] = {}  # client id -> the view it looks through

    def show(self, rig: Rig, frames: Frames | None, depth: float) -> CameraNodes:
        """Show a rig, replacing the previous one, with frustums `depth` meters long."""
        if self._nodes is not None:
            self._nodes.remove()
        if self.panel is not None:
            self.panel.folder.remove()
        self._view_of_client.clear()
        self.rig, self._frame = rig, 0
        self._nodes = CameraNodes(self._server, rig, self._skip_unreadable(frames), depth)
        self.panel = self._add_panel(rig, self._nodes, depth)
        return self._nodes

    def show_frame(self, frame: int) -> None:
        """Move all cameras, and the clients that follow one, to a frame."""
        if self._nodes is None:
            return
        self._frame = frame
        self._nodes.show_frame(frame)
        if self.panel is not None and self.panel.follow.value:
            for client_id, view in list(self._view_of_client.items()):
                client = self._server.get_clients().get(client_id)
                if client is not None:
                    self.look_through(client, view)

    def look_through(self, client: viser.ClientHandle, view: int) -> None:
        """Move a client's viewpoint to a camera at the current frame."""
        with self._lock:
            if self.rig is None or self._nodes is None:
                return
            self._view_of_client[client.client_id] = view
            look_through(client, self.rig.cameras[view, self._frame], near=1.02 * self._nodes.depth)

    def back_to_overview(self, client: viser.ClientHandle) -> None:
        """Move a client back to the overview; it no longer follows a camera."""
        self._view_of_client.pop(client.client_id, None)
        self._overview.show_to(client)

    def _add_panel(self, rig: Rig, nodes: CameraNodes, depth: float) -> CameraPanel:
        panel = add_camera_panel(self._server.gui, rig)
        panel.size.on_update(lambda event: nodes.resize(depth * event.target.value))
        panel.overview.on_click(lambda event: self.back_to_overview(event.client) if event.client else None)
        for v in range(rig.views):
            panel.shown[v].on_update(partial(_show_view, nodes, v))
            panel.through[v].on_click(partial(self._on_through, v))
        return panel

    def _on_through(self, view: int, event: viser.GuiEvent) -> None:
        if event.client is not None:
            self.look_through(event.client, view)

    def _skip_unreadable(self, frames: Frames | None) -> Frames:
        def read(view: int, frame: int) -> np.ndarray | None:
            try:
                return None if frames is None else frames(view, frame)
            except InputError as error:
                self._notice(str(error))
                return None

        return read


def _show_view(nodes: CameraNodes, view: int, event: viser.GuiEvent) -> None:
    nodes.show_view(view, event.target.value)
