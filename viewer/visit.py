"""Where one client stands: in the swinging opening, in a camera that it looks through, or anywhere else."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import replace

import numpy as np
import viser

from trajectories.coverage import distance_to_nearest
from viewer.camera_views import CameraViews
from viewer.overview import Overview
from viewer.viewpoints import Viewpoint

SWINGS_PER_SECOND = 20.0
REMEMBERED = 500
"""Number of viewpoints sent to a client, which a slow page may still report."""
FADE_FROM, FADE_TO, FADED = 10.0, 40.0, 0.8
"""Degrees beyond the nearest camera at which the scene starts to fade and is faded, and how far it then is."""
NEAR = 0.2
"""Distance to a camera, relative to the scene's radius, at which its frustum is hidden."""
KEY_SECONDS = 0.4
"""Duration of a press of an arrow key, which also turns viser's camera."""


class Visit:
    """The viewpoint of one client.

    Args:
        client: the client.
        cameras: the rig's cameras.
        overview: the view of the whole scene.
    """

    def __init__(self, client: viser.ClientHandle, cameras: CameraViews, overview: Overview) -> None:
        self.view: int | None = None
        """The view that the client looks through."""
        self.follow = True
        """Whether a client that looks through a camera moves with it."""
        self.stay = True
        """Whether the scene fades out away from the cameras."""
        self.in_overview = False
        self._client, self._cameras, self._overview = client, cameras, overview
        self._sent: deque[np.ndarray] = deque(maxlen=REMEMBERED)
        self._start: Viewpoint | None = None
        self._stands = False
        self._aspect = client.camera.aspect
        self._lock = threading.RLock()
        self._still = threading.Event()
        self._still.set()
        self._reported = threading.Event()
        self._restore: threading.Timer | None = None

    @property
    def swings(self) -> bool:
        """Whether the opening still swings."""
        return not self._still.is_set()

    @property
    def standpoint(self) -> int | None:
        """The view in or near whose camera the client stands; its frustum would be in the way."""
        if self._cameras.rig is None or self.view is not None:
            return self.view
        if self.swings:
            return self._cameras.middle
        centers = self._cameras.rig.cameras.centers[:, self._cameras.frame]
        distances = np.linalg.norm(centers - self._client.camera.position, axis=1)
        return int(distances.argmin()) if distances.min() < NEAR * self._overview.framing.radius else None

    @property
    def fade(self) -> float:
        """How far the scene is faded out, from 0 to 1, because no camera saw it from about here."""
        if self._cameras.rig is None or not self.stay or self.view is not None or self.in_overview:
            return 0.0
        beyond = float(distance_to_nearest(self._client.camera.position, self._cameras.rig.cameras).angle)
        return FADED * min(max((beyond - FADE_FROM) / (FADE_TO - FADE_FROM), 0.0), 1.0)

    def open(self) -> None:
        """Show the opening, which swings until `touch`; without cameras, the overview."""
        if self._cameras.rig is None:
            return self.to_overview()
        self.touch()
        self.view = None
        self._still = threading.Event()
        self._start = start = self._cameras.opening(self._client.camera.aspect)
        self._show(start)
        threading.Thread(target=self._swing, args=(start, self._still), name="viewer-swing", daemon=True).start()

    def touch(self) -> None:
        """End the swing."""
        with self._lock:
            self._still.set()

    def to_overview(self) -> None:
        """Show the whole scene."""
        self.touch()
        self.view = None
        self._show(self._overview.viewpoint)
        self.in_overview = True

    def look_through(self, view: int) -> None:
        """Show a camera at the current frame."""
        self.touch()
        if self._cameras.rig is not None and view < self._cameras.rig.views:
            self.view = view
            self._show(self._cameras.viewpoint(view, self._client.camera.aspect))

    def to_nearest(self) -> None:
        """Show the nearest camera at the current frame."""
        if self._cameras.rig is not None:
            cameras = self._cameras.rig.cameras[:, self._cameras.frame]
            self.look_through(int(distance_to_nearest(self._client.camera.position, cameras).nearest))

    def show_frame(self) -> None:
        """Follow the camera that the client looks through to the current frame."""
        if self.view is not None and self.follow:
            self.look_through(self.view)

    def moved(self, eye: np.ndarray) -> None:
        """Notice that the client reports the viewpoint `eye` (3,): leave the camera if it has moved away from it."""
        self._reported.set()
        aspect, self._aspect = self._aspect, self._client.camera.aspect
        if self._restore is not None:
            return
        stood, self._stands = self._stands, self._was_sent(eye)
        if stood and not self._stands:  # until it stands where it was sent, it reports older viewpoints
            self.touch()
            self.view, self.in_overview, self._start = None, False, None
        elif abs(aspect - self._aspect) > 1e-3 and self.view is not None:
            self.look_through(self.view)

    def keep_for_a_moment(self) -> None:
        """Undo the turn of the camera that viser ties to the arrow keys."""
        self.touch()
        camera = self._client.camera
        if self._restore is not None:
            self._restore.cancel()
        else:
            self._kept = Viewpoint(camera.position, camera.look_at, camera.up_direction, camera.fov, camera.near)
        self._restore = threading.Timer(KEY_SECONDS, self._put_back)
        self._restore.daemon = True
        self._restore.start()

    def close(self) -> None:
        """End the threads."""
        self.touch()
        if self._restore is not None:
            self._restore.cancel()

    def _put_back(self) -> None:
        if self.view is not None and self.follow:
            self.look_through(self.view)
        else:
            self._show(self._kept)
        self._restore = None

    def _swing(self, start: Viewpoint, still: threading.Event) -> None:
        began = time.monotonic()
        while not still.wait(1 / SWINGS_PER_SECOND):
            self._reported.wait(1.0)  # a slow page is not sent more than it can draw
            self._reported.clear()
            with self._lock:
                if not still.is_set():
                    fov = self._cameras.opening(self._client.camera.aspect).fov
                    self._show(replace(start.swung(time.monotonic() - began), fov=fov))

    def _show(self, viewpoint: Viewpoint) -> None:
        self.in_overview = False
        self._sent.append(viewpoint.eye)
        viewpoint.show_to(self._client)

    def _was_sent(self, eye: np.ndarray) -> bool:
        if self._start is not None and self._start.swings_past(eye):
            return True
        distances = [np.linalg.norm(eye - sent) for sent in list(self._sent)]
        return bool(min(distances, default=np.inf) < 2e-3 * self._overview.framing.radius)
