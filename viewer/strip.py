"""A strip of all videos in step, each beside the splats rendered through the same camera."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import viser

from trajectories.errors import InputError
from trajectories.rig import Rig
from viewer.scene_nodes import Frames, thumbnail, view_color

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

TILE, GAP = 232, 4
"""Longer side of a picture, and the space between two, in pixels."""
MAX_ROWS = 8
"""Of more cameras, this many are chosen evenly."""
MAX_KEPT = 600
"""Renders that are kept in memory."""
WIDTH = 240.0
"""Width of the strip on the page in pixels."""


class Strip:
    """A panel with the videos at the current frame, beside the splats' renders, which a thread makes one by one.

    Args:
        server: viser's server.
        lock: held while the page is changed.
        rig: V views of T frames.
        frames: the images of the rig.
        splats: the scene's splats; without any, only the videos are shown.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        lock: threading.RLock,
        rig: Rig,
        frames: Frames,
        splats: Splats | MovingSplats | None,
    ) -> None:
        self.views = shown_views(rig.views)
        self._lock, self._rig, self._frames, self._splats = lock, rig, frames, splats
        self._frame = -1
        self._renders: OrderedDict[int, list[np.ndarray]] = OrderedDict()
        self._closed, self._wake = threading.Event(), threading.Event()
        scale = TILE / max(rig.cameras.width, rig.cameras.height)
        self._size = round(rig.cameras.height * scale), round(rig.cameras.width * scale)
        panel = server.gui.add_panel(order=2)
        with panel.add_tab("Videos" if splats is None else "Video | splats"):
            self._picture = server.gui.add_image(self._compose(0), jpeg_quality=85)
        panel.dock_right()
        panel.set_width(WIDTH)
        self._thread = threading.Thread(target=self._run, name="viewer-strip", daemon=True)
        if splats is not None:
            self._thread.start()

    def show_frame(self, frame: int) -> None:
        """Show all videos at a frame."""
        self._frame = frame
        self._picture.image = self._compose(frame)
        self._wake.set()

    def close(self) -> None:
        """Stop rendering."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _compose(self, frame: int) -> np.ndarray:
        videos = [self._frames(view, frame) for view in self.views]
        columns: list[Sequence[np.ndarray | None]] = [videos]
        if self._splats is not None:
            columns.append(self._renders.get(frame, [None] * len(videos)))
        return strip_picture(columns, [view_color(v) for v in self.views], self._size)

    def _run(self) -> None:
        while not self._closed.is_set():
            frame = self._next()
            if frame is None:
                self._wake.wait()
                self._wake.clear()
                continue
            try:
                renders = [self._render(view, frame) for view in self.views if not self._closed.is_set()]
            except InputError:  # the page reports it where it draws the splats
                return
            with self._lock:
                self._renders[frame] = renders
                while len(self._renders) * len(self.views) > MAX_KEPT:
                    self._renders.popitem(last=False)
                if frame == self._frame and not self._closed.is_set():
                    self._picture.image = self._compose(frame)

    def _next(self) -> int | None:
        """The frame to render next: the current one, then those that follow, as far as they can be kept."""
        if self._frame < 0:
            return None
        ahead = min(self._rig.frames, max(1, MAX_KEPT // (2 * len(self.views))))
        frames = ((self._frame + i) % self._rig.frames for i in range(ahead))
        return next((frame for frame in frames if frame not in self._renders), None)

    def _render(self, view: int, frame: int) -> np.ndarray:
        from recon.render import render

        assert self._splats is not None
        height, width = self._size
        cameras = self._rig.cameras[view : view + 1, frame].resized(width, height)
        picture = render(self._splats.at(float(self._rig.times[frame])), cameras)[0]
        return (picture.cpu().numpy() * 255 + 0.5).astype(np.uint8)


def shown_views(views: int) -> list[int]:
    """At most `MAX_ROWS` of the views, evenly chosen."""
    return sorted({round(v) for v in np.linspace(0, views - 1, min(views, MAX_ROWS))})


def strip_picture(
    columns: Sequence[Sequence[np.ndarray | None]], colors: list[tuple[int, int, int]], size: tuple[int, int]
) -> np.ndarray:
    """Put the pictures of V views below each other, one column for each kind, with the view's color on the left.

    Args:
        columns: for each kind, V pictures (h, w, 3), or None for those that do not exist yet.
        colors: V colors, 0 to 255.
        size: height and width of a picture in the strip.

    Returns:
        (H, W, 3) uint8.
    """
    height, width = size
    strip = np.full((len(colors) * (height + GAP) - GAP, GAP + len(columns) * (width + GAP), 3), 26, np.uint8)
    for row, color in enumerate(colors):
        top = row * (height + GAP)
        strip[top : top + height, :GAP] = color
        for column, pictures in enumerate(columns):
            left = 2 * GAP + column * (width + GAP)
            picture = pictures[row]
            small = np.full((height, width, 3), 44, np.uint8) if picture is None else _fitted(picture, size)
            strip[top : top + height, left : left + width] = small
    return strip


def _fitted(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    from PIL import Image

    if picture.shape[:2] == size:
        return picture
    small = thumbnail(picture, max(size))
    return np.asarray(Image.fromarray(small).resize(size[::-1], Image.Resampling.BILINEAR))
