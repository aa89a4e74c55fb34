"""Write splats and cameras as one HTML file, which a browser opens without a server or a network."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import viser

from trajectories.files import write_text
from trajectories.rig import Rig
from viewer.camera_views import CameraViews
from viewer.drawn import drawn
from viewer.framing import frame_scene
from viewer.overview import overview
from viewer.scene_nodes import Frames, thumbnails, view_color
from viewer.splat_nodes import SplatNodes

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

MAX_SPLATS, MAX_INSTANTS = 500_000, 2_000_000
"""Larger scenes are thinned evenly, because the file holds all splats; a moving scene counts them once per frame."""

THUMBNAIL, QUALITY = 160, 75
"""Longer side in pixels and JPEG quality of the images in the file."""


def write_html(
    splats: Splats | MovingSplats,
    path: Path | str,
    rig: Rig | None = None,
    frames: Frames | None = None,
    *,
    title: str = "",
) -> None:
    """Write viser's client and a recording of the scene as one HTML file: about 1 MB plus 43 bytes per splat.

    The page opens as the viewer's does: through the middle camera, with the title, and a button for each camera. Its
    playback bar moves the cameras, their videos and the moving splats. A moving splat takes 33 more bytes per frame,
    and an image of a camera about 5 kB. The colors do not depend on the view, because viser draws no spherical
    harmonics.

    Args:
        splats: N Gaussians, which may move.
        path: the file; an existing one is replaced atomically.
        rig: cameras to show, and the frame times of the recording.
        frames: returns the image (H, W, 3) of view v at frame t, or None if there is none.
        title: text over the scene.
    """
    shown = drawn(splats, max_splats(splats, rig))
    framing = frame_scene(rig, shown.means)
    images = thumbnails(frames or (lambda view, frame: None), THUMBNAIL)
    with _server() as server:
        views = CameraViews(server)
        if rig is not None:
            views.show(rig, images, framing.frustum_depth, framing.radius, quality=QUALITY)
        first = overview(framing) if rig is None else views.opening()
        initial = server.initial_camera
        initial.position, initial.look_at, initial.up, initial.fov = first.eye, first.target, first.up, first.fov
        initial.near, initial.far = first.near, 500.0 * framing.radius
        nodes = SplatNodes(server)
        views.show_frame(0)
        times, fps = (np.zeros(1), 1.0) if rig is None else (rig.times, rig.fps)
        nodes.show(shown, float(times[0]))
        recording = server.get_scene_serializer()
        for frame in range(1, len(times)):
            recording.insert_sleep(1.0 / fps)
            views.show_frame(frame)
            nodes.show_instant(float(times[frame]))
        if len(times) > 1:
            recording.insert_sleep(1.0 / fps)
        write_text(path, with_first_look(recording.as_html(dark_mode=True), title, views))


def with_first_look(page: str, title: str, views: CameraViews) -> str:
    """viser's page with the title, the opening and the buttons of the cameras."""
    names = () if views.rig is None else views.rig.names
    described = [
        {
            "name": name,
            "color": "rgb({}, {}, {})".format(*view_color(v)),
            "horizontal": float(views.camera(v).horizontal_fov),
            "vertical": float(views.camera(v).vertical_fov),
            "distance": float(np.linalg.norm(views.viewpoint(v, 1.0).target - views.camera(v).centers)),
        }
        for v, name in enumerate(names)
    ]
    described_scene = {"title": title, "views": described, "middle": views.middle if described else 0}
    data = json.dumps(described_scene).replace("<", "\\u003c")
    here = Path(__file__).parent
    added = (here / "first_look.html").read_text() + (
        f"<script>window.__CVD3D__ = {data};</script><script>{(here / 'first_look.js').read_text()}</script>"
    )
    end = page.rindex("</body>")
    return page[:end] + added + page[end:]


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
