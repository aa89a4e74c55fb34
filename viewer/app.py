"""The web viewer of a scene: splats, cameras with their frames, and one clock for all videos."""

from __future__ import annotations

import contextlib
import io
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rich
import viser

from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.camera_views import CameraViews
from viewer.clock import Clock
from viewer.drawn import DrawnSplats
from viewer.framing import Framing
from viewer.in_order import InOrder
from viewer.latest_splats import LatestSplats
from viewer.layers import Layers
from viewer.overview import Overview
from viewer.ports import free_port
from viewer.scene_nodes import Frames
from viewer.shown_scene import read_shown_scene
from viewer.strip import Strip
from viewer.visitor import Visitor, add_folders

PANEL_WIDTH = 280.0
"""Width of the controls in pixels."""

if TYPE_CHECKING:
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence


def view_scene(
    path: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    share: bool = False,
    browser: bool = False,
    axes: str | None = None,
) -> None:
    """Serve the page of a scene until Ctrl-C; see `open_scene`.

    Args:
        path: a scene folder, a ply-sequence or a file of splats.
        host: address to listen on.
        port: port to listen on.
        share: also request a public URL from viser's server.
        browser: open the page in the browser of this machine.
        axes: the axes of a file of splats, as in `recon.splat_source.open_splats`.
    """
    viewer = open_scene(path, host=host, port=port, axes=axes)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            rich.print(f"[bold]{viewer.title}[/bold] is at {viewer.url}  (Ctrl-C ends)")
            if share:
                rich.print(f"Everyone who knows this address can see it: {viewer.share()}")
            if browser and not webbrowser.open(viewer.url):
                rich.print("There is no browser on this machine; open the address above in yours.")
            threading.Event().wait()
    finally:
        viewer.close()


def open_scene(path: str | Path, *, host: str = "127.0.0.1", port: int = 8080, axes: str | None = None) -> SceneViewer:
    """Start a page that shows a scene; an incomplete scene is shown as far as it exists.

    Args:
        path: a scene folder with any of rig.json or transforms.json, images/, points.ply, splats.ply; an exported
            ply-sequence; or a file of splats.
        host: address to listen on.
        port: port to listen on, 0 for any; if it is taken, the next free port is used and printed.
        axes: the axes of a file of splats, as in `recon.splat_source.open_splats`.

    Raises:
        InputError: there is no scene at the path, a file cannot be read, or the address cannot be used.
    """
    scene = read_shown_scene(path, axes)
    viewer = SceneViewer(host, port, title=scene.title, heading=scene.prompt, max_splats=2_000_000)
    viewer.download = scene.splats_file
    if scene.rig is not None:
        viewer.show_rig(scene.rig, scene.frames)
        viewer.show_strip(scene.still_or_moving)
    if scene.points is not None:
        viewer.show_points(scene.points)
    if scene.clock is not None:
        viewer.show_clock(scene.clock)
    if scene.splats is not None:
        viewer.show_splats(scene.splats)
    if scene.missing:
        viewer.notice(f"Not available yet: {', '.join(scene.missing)}.")
    return viewer


class SceneViewer:
    """A page that shows a rig, points and splats, and can be updated while it is open.

    Every method may be called from any thread at any time. `show_splats` may be called after each step of a fit: it
    draws the newest splats at most once a second and takes at most 3 percent of the time.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any; if it is taken, the next free port is used and printed.
        title: name of the panel and of the browser's tab.
        heading: text over the scene; the title if there is none.
        max_splats: a larger number of splats is thinned evenly before sending.

    Attributes:
        server: viser's server.
        heading: text over the scene.
        download: the file of splats that the page offers, if any.
        layers: the splats, points, cameras, paths and ground.
        overview: the view of the whole scene.
        cameras: the rig's cameras.
        clock: plays, pauses and seeks.
        visitors: the clients of the page by their id, each with its own controls.

    Raises:
        InputError: the address cannot be used.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 8080,
        *,
        title: str = "cvd3d",
        heading: str | None = None,
        max_splats: int = 200_000,
    ) -> None:
        free = free_port(host, port)
        with contextlib.redirect_stdout(io.StringIO()):  # suppress viser's startup message
            self.server = viser.ViserServer(host=host, port=free, label=title, verbose=False)
        if port not in (0, self.server.get_port()):
            rich.print(f"Port {port} is taken; using {self.server.get_port()}.")
        self.title, self.heading = title, heading or title
        self.download: Path | None = None
        self.in_order = InOrder()
        self.visitors: dict[int, Visitor] = {}
        self._host = host
        self._lock = threading.RLock()
        self._strip: Strip | None = None
        self.server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self.server.gui.main_panel.dock_right()
        self.server.gui.main_panel.set_width(PANEL_WIDTH)
        self.folders = add_folders(self.server.gui)
        self._notice = self.server.gui.add_markdown("", order=5)
        self.layers = Layers(self.server, self._layers_changed)
        self.overview = Overview()
        self.cameras = CameraViews(self.server, self._click_on_camera, self.notice)
        self.clock = Clock(self.server.gui, self._lock, self.in_order, self._show_frame, self._show_instant)
        self._latest = LatestSplats(self._draw_splats, max_splats)
        self._frame_scene()
        self.server.on_client_connect(self.in_order(self._welcome))
        self.server.on_client_disconnect(self.in_order(self._leave))

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
            self.cameras.show(rig, frames, framing.frustum_depth, framing.radius)
            self.layers.show_cameras(paths=rig.frames > 1)
            self._set_initial_camera()
            self.clock.restart(rig.times)
        self.in_order.submit(self._to_visitors, Visitor.show_rig)
        self.in_order.submit(self._to_visitors, lambda visitor: visitor.go_to("Start"))

    def show_strip(self, splats: Splats | MovingSplats | None) -> None:
        """Show the videos of the rig in step, beside the splats rendered through the same cameras.

        Args:
            splats: the scene's splats, which must not change; None to show the videos only.
        """
        assert self.cameras.rig is not None
        with self._lock:
            self._strip = Strip(self.server, self._lock, self.cameras.rig, self.cameras.image, splats)
            self._strip.show_frame(self.clock.frame)

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
        self._notice.content = text

    def share(self) -> str:
        """The public address of the page, which viser's server forwards to this machine.

        Raises:
            InputError: viser's server does not answer.
        """
        with contextlib.redirect_stdout(io.StringIO()):
            url = self.server.request_share_url(verbose=False)
        if url is None:
            raise InputError("viser's server gives no public address; look at the page through ssh -L instead.")
        return url

    def close(self) -> None:
        """Stop the server and all threads."""
        self.clock.close()
        self._latest.close()
        if self._strip is not None:
            self._strip.close()
        self.in_order.close()
        for visitor in list(self.visitors.values()):
            visitor.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def _frame_scene(self, *, rig: Rig | None = None, positions: np.ndarray | None = None) -> Framing:
        framing = self.overview.include(rig=rig, positions=positions)
        self.layers.show_ground(framing.radius)
        self._set_initial_camera()
        return framing

    def _set_initial_camera(self) -> None:
        """Where a client stands until its own opening is ready."""
        first = self.overview.viewpoint if self.cameras.rig is None else self.cameras.opening()
        initial = self.server.initial_camera
        initial.position, initial.look_at, initial.up = first.eye, first.target, first.up
        initial.fov, initial.near, initial.far = first.fov, first.near, 500.0 * self.overview.framing.radius

    def _welcome(self, client: viser.ClientHandle) -> None:
        self.visitors[client.client_id] = Visitor(client, self)

    def _leave(self, client: viser.ClientHandle) -> None:
        if (visitor := self.visitors.pop(client.client_id, None)) is not None:
            visitor.close()

    def _to_visitors(self, show: Callable[[Visitor], None]) -> None:
        for visitor in self.visitors.values():
            show(visitor)

    def _layers_changed(self) -> None:
        self.in_order.submit(self._to_visitors, Visitor.show_layers)

    def _click_on_camera(self, view: int) -> Callable[[Any], Any]:
        return self.in_order(lambda event: self.visitors[event.client.client_id].look_through(view))

    def _show_frame(self, frame: int) -> None:
        self.cameras.show_frame(frame)
        if self._strip is not None:
            self._strip.show_frame(frame)
        self.in_order.submit(self._to_visitors, Visitor.show_frame)

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
