"""A rig: several named cameras that move on one clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trajectories.cameras import Cameras
from trajectories.errors import InputError


@dataclass(frozen=True, eq=False)
class Rig:
    """V named camera paths of T frames on one clock.

    Raises:
        InputError: shapes that disagree, times that do not increase, or names that repeat or cannot be folder names.
    """

    cameras: Cameras
    """Cameras of shape (V, T)."""
    times: np.ndarray
    """(T,) seconds, increasing."""
    names: tuple[str, ...]
    """V distinct names; each is also a folder and file name."""

    def __post_init__(self) -> None:
        if len(self.cameras.shape) != 2 or self.cameras.size == 0:
            raise InputError(f"A rig needs cameras of shape (V, T), both at least 1; these have {self.cameras.shape}.")
        times = np.array(self.times, dtype=np.float64)
        if times.shape != (self.frames,) or not np.isfinite(times).all() or (np.diff(times) <= 0).any():
            raise InputError(f"A rig of {self.frames} frames needs as many finite, increasing times in seconds.")
        names = tuple(self.names)
        if len(names) != self.views or len(set(names)) != len(names):
            raise InputError(f"A rig of {self.views} views needs as many distinct names; these are {list(names)}.")
        for name in names:
            if not name or not name.replace("-", "").replace("_", "").isalnum():
                raise InputError(f"The view name {name!r} cannot name a folder; use letters, digits, '-' and '_'.")
        times.flags.writeable = False
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "names", names)

    @property
    def views(self) -> int:
        """V, the number of videos."""
        return self.cameras.shape[0]

    @property
    def frames(self) -> int:
        """T, the number of frames of each video."""
        return self.cameras.shape[1]
