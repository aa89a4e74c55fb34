"""The playback state as a pure value: the current frame, play, pause and seek."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from trajectories.errors import InputError


@dataclass(frozen=True)
class Playback:
    """A playhead that loops over the frames 0 .. frames - 1.

    The argument `now` is the time in seconds of any monotonic clock. A page that cannot keep up skips frames, so that
    the videos keep their rate.

    Raises:
        InputError: there are no frames, or the rate is not a positive number.
    """

    frames: int
    """Frames of each video."""
    fps: float
    """Frames shown per second while playing."""
    start: int = 0
    """The frame at `since`; while paused, the current frame."""
    since: float | None = None
    """Start of playback in seconds; None while paused."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise InputError(f"There are {self.frames} frames to play; give at least 1.")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"The rate is {self.fps} frames per second; give a positive number.")

    @property
    def playing(self) -> bool:
        return self.since is not None

    def frame(self, now: float) -> int:
        """The frame at `now`."""
        return self._steps(now) % self.frames

    def position(self, now: float) -> float:
        """The fractional frame at `now`: 2.5 is halfway between frames 2 and 3, or halfway through the last frame 2."""
        if self.since is None:
            return float(self.start)
        return (self.start + max(0.0, (now - self.since) * self.fps)) % self.frames

    def until_next(self, now: float) -> float | None:
        """Seconds from `now` until the next frame; None while paused."""
        if self.since is None:
            return None
        return max(0.0, self.since + (self._steps(now) - self.start + 1) / self.fps - now)

    def play(self, now: float) -> Playback:
        """The playhead, playing from the current frame."""
        return self if self.playing else replace(self, since=now)

    def pause(self, now: float) -> Playback:
        """The playhead, paused at the current frame."""
        return replace(self, start=self.frame(now), since=None)

    def seek(self, frame: int, now: float) -> Playback:
        """The playhead at another frame, clamped to the range; playing if it was playing."""
        return replace(self, start=min(max(int(frame), 0), self.frames - 1), since=now if self.playing else None)

    def at_rate(self, fps: float, now: float) -> Playback:
        """The playhead at another rate and the same frame."""
        return replace(self.seek(self.frame(now), now), fps=fps)

    def _steps(self, now: float) -> int:
        if self.since is None:
            return self.start
        # The epsilon keeps a wake-up at exactly k / fps from rounding down to the previous frame.
        return self.start + max(0, math.floor((now - self.since) * self.fps + 1e-6))


def seconds_at(times: np.ndarray, position: float) -> float:
    """The time in seconds of a fractional frame, interpolated in `times` (T,); constant after the last frame."""
    return float(np.interp(position, np.arange(len(times)), times))
