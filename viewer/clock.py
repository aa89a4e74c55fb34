"""The clock of all videos: plays, pauses and seeks, and updates the page in a background thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
import viser

from trajectories.rig import frame_rate
from viewer.in_order import InOrder
from viewer.panels import TimePanel, add_time_panel
from viewer.playback import Playback, seconds_at

INSTANTS_PER_SECOND = 30.0
"""Maximum update rate of moving splats during playback, which also move between frames."""


class Clock:
    """Plays the frames of a scene in a loop.

    Args:
        gui: viser's GUI, to which the time panel is added.
        lock: held while the page is changed, including both callbacks.
        in_order: runs the callbacks of the time panel.
        on_frame: called with the frame number when it changes, or after `restart`.
        on_instant: called with the time in seconds at every update; returns whether anything moves between frames.
    """

    def __init__(
        self,
        gui: viser.GuiApi,
        lock: threading.RLock,
        in_order: InOrder,
        on_frame: Callable[[int], None],
        on_instant: Callable[[float], bool],
    ) -> None:
        self.playback = Playback(1, 1.0)
        self.panel: TimePanel | None = None
        """None if there is a single frame."""
        self._gui, self._lock, self._in_order = gui, lock, in_order
        self._on_frame, self._on_instant = on_frame, on_instant
        self._times = np.zeros(1)
        self._restarts = 0
        self._closed, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="viewer-clock", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """The current time in seconds, between frames too."""
        return seconds_at(self._times, self.playback.position(time.monotonic()))

    @property
    def frame(self) -> int:
        """The current frame."""
        return self.playback.frame(time.monotonic())

    def restart(self, times: np.ndarray) -> None:
        """Switch to (T,) frame times in seconds, paused at the middle frame."""
        with self._lock:
            if self.panel is not None:
                self.panel.folder.remove()
            self._times, self.playback = times, Playback(len(times), frame_rate(times), start=len(times) // 2)
            self.panel = self._add_panel(times) if len(times) > 1 else None
            self._restarts += 1
        self.wake()

    def play(self) -> None:
        """Play from the current frame."""
        self._set(self.playback.play(time.monotonic()))

    def pause(self) -> None:
        """Pause at the current frame."""
        self._set(self.playback.pause(time.monotonic()))

    def toggle(self) -> None:
        """Pause if playing, play if paused."""
        if self.playback.playing:
            self.pause()
        elif self.playback.frames > 1:
            self.play()

    def step(self, frames: int) -> None:
        """Pause, some frames later or earlier, around the loop."""
        self.pause()
        self.seek((self.frame + frames) % self.playback.frames)

    def seek(self, frame: int) -> None:
        """Jump to a frame; playback continues from there if it is running."""
        self._set(self.playback.seek(frame, time.monotonic()))

    def set_rate(self, fps: float) -> None:
        """Set the playback rate in frames per second."""
        self._set(self.playback.at_rate(fps, time.monotonic()))

    def wake(self) -> None:
        """Trigger an update of the page, even while paused."""
        self._wake.set()

    def close(self) -> None:
        """Stop the thread."""
        self._closed.set()
        self.wake()
        self._thread.join(timeout=5.0)

    def _set(self, playback: Playback) -> None:
        changed = playback.playing != self.playback.playing
        self.playback = playback
        if changed and self.panel is not None:
            self.panel.show_playing(playback.playing)
        self.wake()

    def _run(self) -> None:
        shown = (0, -1)
        while not self._closed.is_set():
            started = time.monotonic()
            with self._lock:
                due = (self._restarts, self.playback.frame(started))
                if due != shown:
                    self._show_frame(due[1])
                    shown = due
                between = self._on_instant(self.seconds)
            self._wake.wait(self._until_next(time.monotonic() - started, between))
            self._wake.clear()

    def _show_frame(self, frame: int) -> None:
        self._on_frame(frame)
        if self.panel is not None:
            self.panel.show_frame(frame, self._times)

    def _until_next(self, took: float, between: bool) -> float | None:
        """Seconds until the next update, None while paused; `took` is the duration of the last update in seconds.

        Updates between frames take at most half of the time.
        """
        wait = self.playback.until_next(time.monotonic())
        if wait is None or not between:
            return wait
        return min(wait, max(1 / INSTANTS_PER_SECOND - took, took))

    def _add_panel(self, times: np.ndarray) -> TimePanel:
        panel = add_time_panel(self._gui, times, self.playback.fps)

        def seek(event: viser.GuiEvent) -> None:
            if event.client is not None:  # without a client, the clock itself moved the slider
                self.seek(event.target.value)

        panel.frame.on_update(self._in_order(seek))
        panel.play.on_click(self._in_order(lambda event: self.toggle()))
        panel.fps.on_update(self._in_order(lambda event: self.set_rate(event.target.value)))
        return panel
