"""Write splats and cameras as one HTML file, which a browser opens without a server or a network."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import viser

from trajectories.files import write_text
from trajectories.rig import Rig
from viewer.drawn import drawn
from viewer.framing import frame_scene
from viewer.overview import OVERVIEW_FOV
from viewer.scene_nodes import CameraNodes, Frames
from viewer.splat_nodes import SplatNodes

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

MAX_SPLATS, MAX_INSTANTS = 500_000, 2_000_000
"""Larger scenes are thinned evenly, because the file holds all splats; a moving scene counts them once per frame."""


def write_html(
    splats: Splats | MovingSplats, path: Path | str, rig: Rig | None = None, frames: Frames | None = None
) -> None:
    """Write viser's client and a recording of the scene as one HTML file: about 1 MB plus 43 bytes per splat.

    The colors do not depend on the view, because viser draws no spherical harmonics. The page's playback bar moves the
    cameras, their videos and the moving splats. A moving splat takes 33 more bytes per frame.

    Args:
        splats: N Gaussians, which may move.
        path: the file; an existing one is replaced atomically.
        rig: cameras to show, and the frame times of the recording.
        frames: returns the image (H, W, 3) of view v at frame t, or None if there is none.
    """
    shown = drawn(splats, max_splats(splats, rig))
    framing = frame_scene(rig, shown.means)
    with _server() as server:
        initial = server.initial_camera
        initial.position, initial.look_at, initial.fov = framing.eye, framing.target, OVERVIEW_FOV
        initial.near, initial.far = 0.005 * framing.radius, 500.0 * framing.radius
        nodes = SplatNodes(server)
        if rig is None:
            nodes.show(shown, 0.0)
            recording = server.get_scene_serializer()
        else:
            cameras = CameraNodes(server, rig, frames or (lambda view, frame: None), framing.frustum_depth)
            cameras.show_frame(0)
            nodes.show(shown, float(rig.times[0]))
            recording = server.get_scene_serializer()
            for frame in range(1, rig.frames):
                recording.insert_sleep(1.0 / rig.fps)
                cameras.show_frame(frame)
                nodes.show_instant(float(rig.times[frame]))
            if rig.frames > 1:
                recording.insert_sleep(1.0 / rig.fps)
        write_text(path, recording.as_html(dark_mode=True))


def max_splats(splats: Splats | MovingSplats, rig: Rig | None) -> int:
    """The maximum number of splats in the file."""
    from recon.splats import MovingSplats

    if rig is None or not isinstance(splats, MovingSplats):
        return MAX_SPLATS
    return min(MAX_SPLATS, max(1, MAX_INSTANTS // rig.frames))


@contextmanager
def _server() -> Iterator[viser.ViserServer]:
    """A server without clients, which viser needs to record a scene."""
    with contextlib.redirect_stdout(io.StringIO()):  # suppress viser's startup message
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    try:
        yield server
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()
