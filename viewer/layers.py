"""The layers of the page: splats, starting points, camera paths and the ground grid."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

import viser

from viewer.drawn import DrawnSplats
from viewer.panels import about_splats, add_layer_panel
from viewer.scene_nodes import add_ground, add_points
from viewer.splat_nodes import SplatNodes

if TYPE_CHECKING:
    from recon.points import PointCloud


class Node(Protocol):
    """A scene node that can be hidden."""

    visible: bool


class Layers:
    """The layers of a page, each with a checkbox that shows or hides it.

    Args:
        server: viser's server.
        lock: held while the page is changed.
    """

    def __init__(self, server: viser.ViserServer, lock: threading.RLock) -> None:
        self.splats = SplatNodes(server)
        self.panel = add_layer_panel(server.gui, self._toggle)
        self._server, self._lock = server, lock
        self._nodes: dict[str, Node] = {"Splats": self.splats}

    def show_ground(self, radius: float) -> None:
        """Show a grid for a scene with the given radius in meters."""
        visible = self.panel.boxes["Ground grid"].value
        self._add("Ground grid", add_ground(self._server, radius, visible))

    def show_points(self, points: PointCloud, size: float) -> None:
        """Show starting points with a diameter of `size` meters; they start hidden if there are splats."""
        box = self.panel.boxes["Starting points"]
        box.value = not self.splats.has_splats  # type: ignore[misc]  # viser's setter is hidden from mypy
        node = add_points(self._server, points.positions, points.colors, size, box.value)
        self._add("Starting points", node, f"{len(points.positions):,} starting points ({points.source}).")

    def show_paths(self, paths: Node, *, enable: bool) -> None:
        """Show the camera paths; `enable` shows their checkbox."""
        self._nodes["Camera paths"] = paths
        paths.visible = self.panel.boxes["Camera paths"].value
        if enable:
            self.panel.enable("Camera paths")

    def show_splats(self, splats: DrawnSplats, seconds: float) -> None:
        """Show splats at a time; the first ones hide the starting points and the ground."""
        if not self.splats.has_splats:
            for layer in ("Starting points", "Ground grid"):
                self.panel.boxes[layer].value = False  # type: ignore[misc]
        self.splats.show(splats, seconds)
        self.panel.enable("Splats", about_splats(len(splats), splats.total, self.splats.moving))

    def show_instant(self, seconds: float) -> bool:
        """Update the moving splats to a time; returns whether there are any."""
        self.splats.show_instant(seconds)
        return bool(self.splats.moving)

    def _add(self, layer: str, node: Node, about: str = "") -> None:
        self._nodes[layer] = node
        self.panel.enable(layer, about)

    def _toggle(self, layer: str, visible: bool) -> None:
        with self._lock:
            if (node := self._nodes.get(layer)) is not None:
                node.visible = visible
