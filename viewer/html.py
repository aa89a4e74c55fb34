"""A page of splats and cameras in one file, which a browser opens without a server and without the net."""

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

MOST_SPLATS, MOST_INSTANTS = 500_000, 2_000_000
"""More splats than these are thinned evenly: the page holds them all; those of a scene that moves count every frame."""


def write_html(
    splats: Splats | MovingSplats, path: Path | str, rig: Rig | None = None, frames: Frames | None = None
) -> None:
    """Write viser's client and a recording of the scene as one HTML file, about 1 MB and 43 bytes a splat.

    The colors of the splats do not change with the view: viser draws no spherical harmonics. Cameras that move play
    along their paths, with their videos, on the page's own bar, and so do splats that move:
    those take 33 bytes more at each frame.

    Args:
        splats: N Gaussians, which may move.
        path: the file; one that is there already is replaced when the new one is whole.
        rig: cameras to show, and the clock of all that moves.
        frames: gives the image (H, W, 3) of view v at frame t, or None where there is none.
    """
    shown = drawn(splats, most_splats(splats, rig))
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


def most_splats(splats: Splats | MovingSplats, rig: Rig | None) -> int:
    """How many of the splats a page takes."""
    from recon.splats import MovingSplats

    if rig is None or not isinstance(splats, MovingSplats):
        return MOST_SPLATS
    return min(MOST_SPLATS, max(1, MOST_INSTANTS // rig.frames))


@contextmanager
def _server() -> Iterator[viser.ViserServer]:
    """A server that nobody visits: viser records scenes on one only."""
    with contextlib.redirect_stdout(io.StringIO()):  # viser prints a box of its own
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
    try:
        yield server
    finally:
        with contextlib.redirect_stdout(io.StringIO()):
            server.stop()
