"""Which frame is on show: a play head on the rig's one clock, without threads and without a page."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from trajectories.errors import InputError


@dataclass(frozen=True)
class Playback:
    """A play head over the frames 0 .. frames - 1, which loops.

    Time enters as the argument `now`, in seconds of any steady clock. A page that cannot keep up skips frames, so that
    the videos keep their pace.

    Raises:
        InputError: no frames, or a rate that is not a positive number.
    """

    frames: int
    """Frames of each video."""
    fps: float
    """Frames shown per second while playing."""
    start: int = 0
    """The frame at `since`; while paused, the frame on show."""
    since: float | None = None
    """When playing began, in seconds; None while paused."""

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise InputError(f"There are {self.frames} frames to play; give at least 1.")
        if not (math.isfinite(self.fps) and self.fps > 0):
            raise InputError(f"The rate is {self.fps} frames per second; give a positive number.")

    @property
    def playing(self) -> bool:
        return self.since is not None

    def frame(self, now: float) -> int:
        """The frame on show at `now`."""
        return self._steps(now) % self.frames

    def position(self, now: float) -> float:
        """Where the head is at `now`, in frames: 2.5 is halfway between frames 2 and 3, or through the last frame."""
        if self.since is None:
            return float(self.start)
        return (self.start + max(0.0, (now - self.since) * self.fps)) % self.frames

    def until_next(self, now: float) -> float | None:
        """Seconds from `now` until the next frame; None while paused."""
        if self.since is None:
            return None
        return max(0.0, self.since + (self._steps(now) - self.start + 1) / self.fps - now)

    def play(self, now: float) -> Playback:
        """The same head, playing on from the frame on show."""
        return self if self.playing else replace(self, since=now)

    def pause(self, now: float) -> Playback:
        """The same head, held at the frame on show."""
        return replace(self, start=self.frame(now), since=None)

    def seek(self, frame: int, now: float) -> Playback:
        """The head at another frame (held to the range), playing on if it played."""
        return replace(self, start=min(max(int(frame), 0), self.frames - 1), since=now if self.playing else None)

    def at_rate(self, fps: float, now: float) -> Playback:
        """The head at another rate, without a jump."""
        return replace(self.seek(self.frame(now), now), fps=fps)

    def _steps(self, now: float) -> int:
        if self.since is None:
            return self.start
        # The small lift keeps a wake-up at exactly k / fps from landing a frame short through rounding.
        return self.start + max(0, math.floor((now - self.since) * self.fps + 1e-6))


def seconds_at(times: np.ndarray, position: float) -> float:
    """The instant at a position in frames, between those of the frames (T,); past the last frame all waits there."""
    return float(np.interp(position, np.arange(len(times)), times))
