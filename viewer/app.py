"""The live page of a scene: splats, cameras with their frames, and one clock for all videos."""

from __future__ import annotations

import contextlib
import errno
import io
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rich
import viser

from trajectories.errors import InputError
from trajectories.rig import Rig, frame_rate
from viewer.drawn import DrawnSplats
from viewer.framing import OpeningView, frame_scene
from viewer.latest_splats import LatestSplats
from viewer.panels import CameraPanel, TimePanel, about_splats, add_camera_panel, add_layer_panel, add_time_panel
from viewer.playback import Playback, seconds_at
from viewer.scene_folder import read_scene_folder
from viewer.scene_nodes import CameraNodes, Frames, add_ground, add_points, look_through
from viewer.splat_nodes import SplatNodes

if TYPE_CHECKING:
    from recon.points import PointCloud
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence

PORTS_TRIED = 50
INSTANTS_PER_SECOND = 30.0
"""How often splats that move are drawn while they play, at most."""
OVERVIEW_FOV = float(np.radians(50.0))


def view_scene(folder: str | Path, *, host: str = "127.0.0.1", port: int = 8080) -> None:
    """Show a scene folder in the browser until Ctrl-C; see `open_scene`."""
    viewer = open_scene(folder, host=host, port=port)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            rich.print(f"[bold]{viewer.title}[/bold] is at {viewer.url}  (Ctrl-C ends)")
            threading.Event().wait()
    finally:
        viewer.close()


def open_scene(folder: str | Path, *, host: str = "127.0.0.1", port: int = 8080) -> SceneViewer:
    """Start a page that shows a scene folder; an incomplete scene shows what is there.

    Args:
        folder: a scene folder: any of rig.json or transforms.json, images/, points.ply, splats.ply; or an exported
            ply-sequence.
        host: address to listen on.
        port: port to listen on, 0 for any; when it is taken, one of the next is used and named.

    Raises:
        InputError: a folder that is no scene, a file in it that cannot be read, or an address that cannot be used.
    """
    scene = read_scene_folder(folder)
    viewer = SceneViewer(host, port, title=scene.title, max_splats=2_000_000)
    if scene.rig is not None:
        viewer.show_rig(scene.rig, scene.frames)
    if scene.points is not None:
        viewer.show_points(scene.points)
    if scene.clock is not None:
        viewer.show_clock(scene.clock)
    if scene.splats is not None:
        viewer.show_splats(scene.splats)
    told = [f"“{scene.prompt}”"] if scene.prompt else []
    told += [f"Not there yet: {', '.join(scene.missing)}."] if scene.missing else []
    viewer.notice("\n\n".join(told))
    return viewer


class SceneViewer:
    """A page that shows what it is given, for as long as it is open.

    Every method may be called from any thread at any time. `show_splats` is made to be called after each step of a fit:
    it draws the newest splats at most once a second, and takes at most 3 percent of the time.

    Args:
        host: address to listen on.
        port: port to listen on, 0 for any; when it is taken, one of the next is used and named.
        title: heading of the panel.
        max_splats: more splats than these are thinned evenly before they are sent.

    Raises:
        InputError: an address that cannot be used.
    """

    def __init__(
        self, host: str = "127.0.0.1", port: int = 8080, *, title: str = "cvd3d", max_splats: int = 200_000
    ) -> None:
        free = _free_port(host, port)
        with contextlib.redirect_stdout(io.StringIO()):  # viser prints a box of its own
            self.server = viser.ViserServer(host=host, port=free, label=title, verbose=False)
        if port not in (0, self.server.get_port()):
            rich.print(f"Port {port} is taken; using {self.server.get_port()}.")
        self.title = title
        self._host = host
        self._lock = threading.RLock()
        self._rig: Rig | None = None
        self._cameras: CameraNodes | None = None
        self._time_panel: TimePanel | None = None
        self._camera_panel: CameraPanel | None = None
        self._points: viser.PointCloudHandle | None = None
        self._splats = SplatNodes(self.server)
        self._positions: np.ndarray | None = None
        self._framed = False
        self._times = np.zeros(1)
        self._playback = Playback(1, 1.0)
        self._looking: dict[int, int] = {}  # client -> the view it looks through
        self._closed = threading.Event()
        self._wake = threading.Event()

        self.server.gui.configure_theme(dark_mode=True, show_logo=False, show_share_button=False)
        self.server.gui.main_panel.dock_right()
        self._layers = add_layer_panel(self.server.gui, self._toggle_layer)
        self._layers.offer("Ground grid")
        self._frame_scene()
        self._mailbox = LatestSplats(self._draw_splats, max_splats)
        self._clock = threading.Thread(target=self._run_clock, name="viewer-clock", daemon=True)
        self._clock.start()

    @property
    def url(self) -> str:
        """Where the page is."""
        host = "127.0.0.1" if self._host in ("0.0.0.0", "::") else self._host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server.get_port()}"

    def show_rig(self, rig: Rig, frames: Frames | None = None) -> None:
        """Show cameras on their paths, in the place of those shown before.

        Args:
            rig: V views of T frames on one clock.
            frames: gives the image (H, W, 3) in [0, 1] of view v at frame t, or None where there is none (yet).
        """
        with self._lock:
            if self._cameras is not None:
                self._cameras.remove()
            if self._camera_panel is not None:
                self._camera_panel.folder.remove()
            self._looking.clear()
            self._rig = rig
            framing = self._frame_scene()
            self._cameras = CameraNodes(self.server, rig, self._noticed(frames), framing.frustum_depth)
            self._camera_panel = self._wire_cameras(rig, self._cameras, framing)
            if rig.frames > 1:
                self._layers.offer("Camera paths")
            self._cameras.show_paths(self._layers.boxes["Camera paths"].value)
            self.show_clock(rig.times)

    def show_clock(self, times: np.ndarray) -> None:
        """Let time run through (T,) instants in seconds; a rig brings its own."""
        with self._lock:
            if self._time_panel is not None:
                self._time_panel.folder.remove()
            self._times, self._playback = times, Playback(len(times), frame_rate(times))
            self._time_panel = self._wire_time(times) if len(times) > 1 else None
            self._wake.set()

    def show_splats(self, splats: Splats | MovingSplats | PlySequence) -> None:
        """Show splats, in the place of those shown before; at once, or soon when called often.

        Those that move play on the clock of the videos, and between their frames, too.
        """
        self._mailbox.offer(splats)

    def show_points(self, points: PointCloud) -> None:
        """Show starting points; they step back when splats come."""
        with self._lock:
            self._positions = points.positions
            framing = self._frame_scene()
            box = self._layers.boxes["Starting points"]
            box.value = not self._splats.there  # type: ignore[misc]
            self._points = add_points(
                self.server, points.positions, points.colors, 0.004 * framing.radius, visible=box.value
            )
            self._layers.offer("Starting points", f"{len(points.positions):,} starting points ({points.source}).")

    def notice(self, text: str) -> None:
        """Write a line of markdown at the foot of the panel."""
        self._layers.notice.content = text

    def close(self) -> None:
        """Take the page down."""
        self._closed.set()
        self._wake.set()
        self._clock.join(timeout=5.0)
        self._mailbox.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    # -- time ---------------------------------------------------------------------------------------------------------

    def _run_clock(self) -> None:
        """Move everything to the moment; the only thread that does."""
        shown: tuple[CameraNodes | None, TimePanel | None, int] = (None, None, -1)
        while not self._closed.is_set():
            started = time.monotonic()
            wanted = (self._cameras, self._time_panel, self._playback.frame(started))
            if wanted != shown:
                self._show_frame(wanted[-1])
                shown = wanted
            self._show_instant()
            self._wake.wait(self._until_next(time.monotonic() - started))
            self._wake.clear()

    def _show_instant(self) -> None:
        with self._lock:
            try:
                self._splats.show_instant(self._seconds())
            except InputError as error:  # a sequence is read as it plays
                self.notice(str(error))

    def _until_next(self, took: float) -> float | None:
        """Seconds until something moves, None while paused, after moving everything took so many.

        Splats move between the frames, too, as often as leaves half of the time to others.
        """
        wait = self._playback.until_next(time.monotonic())
        if wait is None or not self._splats.moving:
            return wait
        return min(wait, max(1 / INSTANTS_PER_SECOND - took, took))

    def _show_frame(self, frame: int) -> None:
        with self._lock:
            frame = min(frame, len(self._times) - 1)
            if self._time_panel is not None:
                self._time_panel.tell(frame, self._times)
            if self._rig is None or self._cameras is None:
                return
            self._cameras.show_frame(frame)
            if self._camera_panel is not None and self._camera_panel.follow.value:
                for client_id, view in list(self._looking.items()):
                    client = self.server.get_clients().get(client_id)
                    if client is not None:
                        self._look(client, view, frame)

    def _noticed(self, frames: Frames | None) -> Frames:
        """The same frames, where one that cannot be read is told in the panel and left out."""

        def read(view: int, frame: int) -> np.ndarray | None:
            try:
                return None if frames is None else frames(view, frame)
            except InputError as error:
                self.notice(str(error))
                return None

        return read

    def _seconds(self) -> float:
        return seconds_at(self._times, self._playback.position(time.monotonic()))

    def _set_playback(self, playback: Playback) -> None:
        self._playback = playback
        self._wake.set()

    def _wire_time(self, times: np.ndarray) -> TimePanel:
        panel = add_time_panel(self.server.gui, times, self._playback.fps)

        @panel.frame.on_update
        def _(event: viser.GuiEvent) -> None:
            if event.client is not None:  # the clock moves the slider, too
                self._set_playback(self._playback.seek(event.target.value, time.monotonic()))

        @panel.play.on_click
        def _(event: viser.GuiEvent) -> None:
            now = time.monotonic()
            self._set_playback(self._playback.pause(now) if self._playback.playing else self._playback.play(now))
            panel.tell_playing(self._playback.playing)

        @panel.fps.on_update
        def _(event: viser.GuiEvent) -> None:
            self._set_playback(self._playback.at_rate(event.target.value, time.monotonic()))

        return panel

    # -- cameras ------------------------------------------------------------------------------------------------------

    def _wire_cameras(self, rig: Rig, cameras: CameraNodes, framing: OpeningView) -> CameraPanel:
        panel = add_camera_panel(self.server.gui, rig)
        panel.size.on_update(lambda event: cameras.resize(framing.frustum_depth * event.target.value))
        panel.overview.on_click(lambda event: self._overview(event.client) if event.client else None)
        for v in range(rig.views):
            panel.shown[v].on_update(partial(self._on_shown, cameras, v))
            panel.through[v].on_click(partial(self._on_through, v))
        return panel

    def _on_shown(self, cameras: CameraNodes, view: int, event: viser.GuiEvent) -> None:
        cameras.show_view(view, event.target.value)

    def _on_through(self, view: int, event: viser.GuiEvent) -> None:
        if event.client is not None:
            self._look(event.client, view, self._playback.frame(time.monotonic()))

    def _look(self, client: viser.ClientHandle, view: int, frame: int) -> None:
        with self._lock:
            if self._rig is None or self._cameras is None:
                return
            self._looking[client.client_id] = view
            look_through(client, self._rig.cameras[view, frame], clear=1.02 * self._cameras.depth)

    def _overview(self, client: viser.ClientHandle) -> None:
        self._looking.pop(client.client_id, None)
        initial = self.server.initial_camera
        with client.atomic():
            client.camera.up_direction = np.array([0.0, 0.0, 1.0])
            client.camera.position = initial.position
            client.camera.look_at = initial.look_at
            client.camera.fov = initial.fov
            client.camera.near = initial.near

    def _frame_scene(self) -> OpeningView:
        """Choose the first look for what is there; it moves the eyes that are here only the first time."""
        framing = frame_scene(self._rig, self._positions)
        initial = self.server.initial_camera
        initial.position, initial.look_at, initial.fov = framing.eye, framing.target, OVERVIEW_FOV
        initial.near, initial.far = 0.005 * framing.radius, 500.0 * framing.radius
        self._ground = add_ground(self.server, framing.radius, self._layers.boxes["Ground grid"].value)
        if not self._framed and (self._rig is not None or self._positions is not None):
            self._framed = True
            for client in self.server.get_clients().values():
                self._overview(client)
        return framing

    # -- layers -------------------------------------------------------------------------------------------------------

    def _toggle_layer(self, layer: str, visible: bool) -> None:
        with self._lock:
            if layer == "Camera paths" and self._cameras is not None:
                self._cameras.show_paths(visible)
            nodes = {"Splats": self._splats, "Starting points": self._points, "Ground grid": self._ground}
            if (node := nodes.get(layer)) is not None:
                node.visible = visible

    def _draw_splats(self, splats: DrawnSplats) -> None:
        with self._lock:
            if not self._splats.there:
                for layer in ("Starting points", "Ground grid"):
                    self._layers.boxes[layer].value = False  # type: ignore[misc]
                if self._positions is None:
                    self._positions = splats.means
                    self._frame_scene()
            self._splats.show(splats, self._seconds())
            self._layers.offer("Splats", about_splats(len(splats), splats.total, self._splats.moving))
            self._wake.set()


def _free_port(host: str, port: int) -> int:
    """The first port from `port` on that can be bound at `host`."""
    if not 0 <= port <= 65535:
        raise InputError(f"The port is {port}; give one from 0 to 65535.")
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, candidate, type=socket.SOCK_STREAM)[0]
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            return candidate
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise InputError(
                    f"Cannot listen on {host}:{candidate} ({error.strerror}); give another address."
                ) from None
    raise InputError(f"The ports {port} to {port + PORTS_TRIED - 1} are all taken; give another.")
