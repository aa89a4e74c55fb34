"""Show a fit in the browser while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

Watch = Callable[[Path], Callable[[int, "Splats | MovingSplats"], None]]
"""Called with the scene folder when a fit starts; returns the callback for each step of the fit."""


@contextmanager
def live_page(port: int) -> Iterator[Watch]:
    """Serve the viewer's page on this machine inside the block."""
    from viewer.app import SceneViewer
    from viewer.shown_scene import read_shown_scene

    viewer = SceneViewer(port=port)
    print(f"The fit is shown at {viewer.url}", flush=True)

    def watch(folder: Path) -> Callable[[int, Splats | MovingSplats], None]:
        scene = read_shown_scene(folder)
        if scene.rig is not None:
            viewer.show_rig(scene.rig, scene.frames)
        if scene.points is not None:
            viewer.show_points(scene.points)
        return lambda step, splats: viewer.show_splats(splats)

    try:
        yield watch
    finally:
        viewer.close()
