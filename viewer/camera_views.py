"""The cameras of a rig on the page: frustums with the current frames, and paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import viser

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.geometry import meeting_point
from trajectories.rig import Rig
from viewer.scene_nodes import CameraNodes, Frames, thumbnails
from viewer.viewpoints import Viewpoint, middle_view, through_camera


class CameraViews:
    """A rig's cameras with their frames at the current time.

    Args:
        server: viser's server.
        on_click: returns the callback for clicks on the frustum of a view.
        notice: called with the error message of a frame that cannot be read; the frame is skipped.
    """

    def __init__(
        self,
        server: viser.ViserServer,
        on_click: Callable[[int], Callable[[Any], Any]] | None = None,
        notice: Callable[[str], None] = print,
    ) -> None:
        self.rig: Rig | None = None
        self.image: Frames = lambda view, frame: None
        """The frames as thumbnails."""
        self.frame = 0
        self._server, self._on_click, self._notice = server, on_click, notice
        self._nodes: CameraNodes | None = None
        self._target: np.ndarray | None = None
        self._radius = 1.0

    def show(self, rig: Rig, frames: Frames | None, depth: float, radius: float, quality: int = 90) -> None:
        """Show a rig, replacing the previous one.

        Args:
            rig: V views of T frames.
            frames: their images, if any.
            depth: length of a frustum in meters.
            radius: typical distance of the subject in meters.
            quality: JPEG quality of the images in the frustums.
        """
        if self._nodes is not None:
            self._nodes.remove()
        self.rig, self.frame, self._radius, self._target = rig, 0, radius, meeting_point(rig.cameras)
        self.image = thumbnails(self._skip_unreadable(frames))
        self._nodes = CameraNodes(self._server, rig, self.image, depth, quality)
        if self._on_click is not None:
            for v, frustum in enumerate(self._nodes.frustums):
                frustum.on_click(self._on_click(v))

    @property
    def middle(self) -> int:
        """The view in the middle of the others at the middle frame."""
        assert self.rig is not None
        return middle_view(self.rig.cameras[:, self.rig.frames // 2])

    def show_frame(self, frame: int) -> None:
        """Move all cameras to a frame."""
        self.frame = frame
        if self._nodes is not None:
            self._nodes.show_frame(frame)

    def camera(self, view: int) -> Cameras:
        """The camera of a view at the current frame."""
        assert self.rig is not None
        return self.rig.cameras[view, self.frame]

    def viewpoint(self, view: int, aspect: float) -> Viewpoint:
        """The viewpoint of a camera at the current frame, for a canvas of some aspect; it shows the whole image."""
        return self._through(self.camera(view), aspect)

    def opening(self, aspect: float = 1.5) -> Viewpoint:
        """The viewpoint of the middle camera at the middle frame; its image fills the canvas."""
        assert self.rig is not None
        return self._through(self.rig.cameras[self.middle, self.rig.frames // 2], aspect, fill=True)

    def _through(self, camera: Cameras, aspect: float, *, fill: bool = False) -> Viewpoint:
        ahead = self._radius if self._target is None else float((self._target - camera.centers) @ camera.forward)
        distance = ahead if ahead > 0.1 * self._radius else self._radius
        return through_camera(camera, distance, aspect, 0.005 * self._radius, fill=fill)

    def _skip_unreadable(self, frames: Frames | None) -> Frames:
        def read(view: int, frame: int) -> np.ndarray | None:
            try:
                return None if frames is None else frames(view, frame)
            except InputError as error:
                self._notice(str(error))
                return None

        return read
