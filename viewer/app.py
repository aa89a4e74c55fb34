"""The web viewer of a scene: splats, cameras with their frames, and one clock for all videos."""

from __future__ import annotations

import contextlib
import io
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rich
import viser

from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.camera_views import CameraViews
from viewer.clock import Clock
from viewer.drawn import DrawnSplats
from viewer.framing import OpeningView
from viewer.latest_splats import LatestSplats
from viewer.layers import Layers
from viewer.overview import Overview
from viewer.ports import free_port
from viewer.scene_nodes import Frames
from viewer.shown_scene import read_shown_scene

if TYPE_CHECKING:
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence


def view_scene(folder: str | Path, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve the page of a scene folder until Ctrl-C; see `open_scene`."""
    viewer = open_scene(folder, host=host, port=port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            rich.print(f"[bold]{viewer.title}[/bold] is at {viewer.url}  (Ctrl-C ends)")
            threading.Event().wait()
    finally:
        viewer.close()


def open_scene(folder: str | Path, *, host: str = "127.0.0.1", port: int = 8080) -> SceneViewer:
    """Start a page that shows a scene folder; an incomplete scene is shown as far as it exists.

    Args:
        folder: a scene folder with any of rig.json or transforms.json, images/, points.ply, splats.ply; or an exported
            ply-sequence.
        host: address to listen on.
        port: port to listen on, 0 for any; if it is taken, the next free port is used and printed.

    Raises:
        InputError: the folder is not a scene, a file in it cannot be read, or the address cannot be used.
    """
    scene = read_shown_scene(folder)
    viewer = SceneViewer(host, port, title=scene.title, max_splats=2_000_000)
    if scene.rig is not None:
        viewer.show_rig(scene.rig, scene.frames)
    if scene.points is not None:
        viewer.show_points(scene.points)
    if scene.clock is not None:
        viewer.show_clock(scene.clock)
    if scene.splats is not None:
        viewer.show_splats(scene.splats)
    lines = [f"“{scene.prompt}”"] if scene.prompt else []
    lines += [f"Not available yet: {', '.join(scene.missing)}."] if scene.missing else []
    viewer.notice("\n\n".join(lines))
    return viewer


class SceneViewer:
    """A page that shows a rig, points and splats, and can be updated while it is open.

    Every method may be called from any thread at any time. `show_splats` may be called after each step of a fit: it
    draws the newest splats at most once a second and takes at most 3 percent of the time.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any; if it is taken, the next free port is used and printed.
        title: heading of the panel.
        max_splats: a larger number of splats is thinned evenly before sending.

    Attributes:
        server: viser's server.
        layers: the splats, points, paths and ground, and their checkboxes.
        overview: the initial view of the scene.
        cameras: the rig's cameras, and the clients that look through them.
        clock: plays, pauses and seeks.

    Raises:
        InputError: the address cannot be used.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 8080, *, title: str = "cvd3d", max_splats: int = 200_000
    ) -> None:
        free = free_port(host, port)
        with contextlib.redirect_stdout(io.StringIO()):  # suppress viser's startup message
            self.server = viser.ViserServer(host=host, port=free, label=title, verbose=False)
        if port not in (0, self.server.get_port()):
            rich.print(f"Port {port} is taken; using {self.server.get_port()}.")
        self.title = title
        self._host = host
        self._lock = threading.RLock()
        self.server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self.server.gui.main_panel.dock_right()
        self.layers = Layers(self.server, self._lock)
        self.overview = Overview(self.server)
        self.layers.show_ground(self.overview.framing.radius)
        self.cameras = CameraViews(self.server, self.overview, self._lock, self.notice)
        self.clock = Clock(self.server.gui, self._lock, self.cameras.show_frame, self._show_instant)
        self._latest = LatestSplats(self._draw_splats, max_splats)

    @property
    def url(self) -> str:
        """The URL of the page."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def show_rig(self, rig: Rig, frames: Frames | None = None) -> None:
        """Show cameras and their paths, replacing the previous rig.

        Args:
            rig: V views of T frames.
            frames: returns the image (H, W, 3) in [0, 1] of view v at frame t, or None if there is none (yet).
        """
        with self._lock:
            framing = self._frame_scene(rig=rig)
            nodes = self.cameras.show(rig, frames, framing.frustum_depth)
            self.layers.show_paths(nodes.paths, enable=rig.frames > 1)
            self.clock.restart(rig.times)

    def show_clock(self, times: np.ndarray) -> None:
        """Set the clock to (T,) frame times in seconds; `show_rig` sets it to the rig's times."""
        self.clock.restart(times)

    def show_splats(self, splats: Splats | MovingSplats | PlySequence) -> None:
        """Show splats, replacing the previous ones; at once, or with a delay if called often.

        Moving splats follow the clock of the videos and also move between frames.
        """
        self._latest.offer(splats)

    def show_points(self, points: PointCloud) -> None:
        """Show starting points; the first splats hide them."""
        with self._lock:
            framing = self._frame_scene(positions=points.positions)
            self.layers.show_points(points, 0.004 * framing.radius)

    def notice(self, text: str) -> None:
        """Show markdown text at the bottom of the panel."""
        self.layers.panel.notice.content = text

    def close(self) -> None:
        """Stop the server and all threads."""
        self.clock.close()
        self._latest.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def _frame_scene(self, *, rig: Rig | None = None, positions: np.ndarray | None = None) -> OpeningView:
        framing = self.overview.include(rig=rig, positions=positions)
        self.layers.show_ground(framing.radius)
        return framing

    def _show_instant(self, seconds: float) -> bool:
        try:
            return self.layers.show_instant(seconds)
        except InputError as error:  # a sequence is read during playback
            self.notice(str(error))
            return True

    def _draw_splats(self, splats: DrawnSplats) -> None:
        with self._lock:
            if not (self.layers.splats.has_splats or self.overview.has_positions):
                self._frame_scene(positions=splats.means)
            self.layers.show_splats(splats, self.clock.seconds)
            self.clock.wake()
