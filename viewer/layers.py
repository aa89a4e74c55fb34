"""The layers of the page: splats, starting points, cameras, their paths and the ground grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import viser

from viewer.drawn import DrawnSplats
from viewer.scene_nodes import CAMERAS, GROUND, PATHS, POINTS, SPLATS, add_ground, add_points
from viewer.splat_nodes import SplatNodes

if TYPE_CHECKING:
    from recon.points import PointCloud

ROOTS = {
    "Splats": SPLATS,
    "Cameras": CAMERAS,
    "Camera paths": PATHS,
    "Starting points": POINTS,
    "Ground grid": GROUND,
}
"""The frame above the nodes of each layer."""


class Layers:
    """The layers of a scene, which every client can show and hide for itself.

    Args:
        server: viser's server.
        on_change: called when a layer appears, or is shown or hidden for those who did not choose.
    """

    def __init__(self, server: viser.ViserServer, on_change: Callable[[], None]) -> None:
        self.splats = SplatNodes(server)
        self.about: dict[str, str] = {}
        """A line about some of the layers."""
        self._server, self._on_change = server, on_change
        self._frames = {name: server.scene.add_frame(root, show_axes=False) for name, root in ROOTS.items()}
        self._existing: set[str] = set()

    @property
    def shown(self) -> dict[str, bool]:
        """Whether each existing layer is shown to a client that did not choose."""
        return {name: frame.visible for name, frame in self._frames.items() if name in self._existing}

    def show_ground(self, radius: float) -> None:
        """Show a grid for a scene with the given radius in meters."""
        add_ground(self._server, radius)
        self._add("Ground grid")

    def show_points(self, points: PointCloud, size: float) -> None:
        """Show starting points with a diameter of `size` meters; they start hidden if there are splats."""
        add_points(self._server, points.positions, points.colors, size)
        self._frames["Starting points"].visible = not self.splats.has_splats
        self._add("Starting points", f"{len(points.positions):,} starting points ({points.source}).")

    def show_cameras(self, *, paths: bool) -> None:
        """Say that there are cameras, and whether they move along paths."""
        self._add("Cameras")
        if paths:
            self._add("Camera paths")

    def show_splats(self, splats: DrawnSplats, seconds: float) -> None:
        """Show splats at a time; the first ones hide the starting points and the ground."""
        if not self.splats.has_splats:
            for layer in ("Starting points", "Ground grid"):
                self._frames[layer].visible = False
        self.splats.show(splats, seconds)
        self._add("Splats", about_splats(len(splats), splats.total, self.splats.moving))

    def show_instant(self, seconds: float) -> bool:
        """Update the moving splats to a time; returns whether there are any."""
        self.splats.show_instant(seconds)
        return bool(self.splats.moving)

    def _add(self, layer: str, about: str = "") -> None:
        self._existing.add(layer)
        if about:
            self.about[layer] = about
        self._on_change()


def about_splats(shown: int, total: int, moving: int = 0) -> str:
    """A line about the number of drawn splats."""
    text = f"{shown:,} splats drawn" + (f" of {total:,}" if shown < total else "")
    return text + (f"; {moving:,} of them move." if moving else ".")
