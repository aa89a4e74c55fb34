"""Rigs: several named camera paths with common frame times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError


def frame_rate(times: np.ndarray) -> float:
    """Frames per second of frames at `times` (T,) seconds: 1 / their median interval, or 1 for a single frame.

    With the median, a gap in uneven times does not slow down the other frames.
    """
    return float(1.0 / np.median(np.diff(times))) if len(times) > 1 else 1.0


@dataclass(frozen=True, eq=False)
class Rig:
    """V named camera paths of T frames each, with common frame times.

    Raises:
        InputError: shapes disagree, times do not increase, or names repeat or are not valid folder names.
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

    def __repr__(self) -> str:
        size = f"{self.cameras.width}x{self.cameras.height}"
        return f"Rig({self.views} views of {self.frames} frames, {size}, {self.fps:g} fps: {', '.join(self.names)})"

    @property
    def views(self) -> int:
        """V, the number of videos."""
        return self.cameras.shape[0]

    @property
    def frames(self) -> int:
        """T, the number of frames of each video."""
        return self.cameras.shape[1]

    @property
    def fps(self) -> float:
        """The frame rate of the videos; see `frame_rate`."""
        return frame_rate(self.times)

    @classmethod
    def from_frames(
        cls, cameras: Cameras, times: np.ndarray | None = None, videos: Sequence[str] | None = None
    ) -> tuple[Rig, np.ndarray]:
        """Arrange posed frames as the views of a rig.

        If all videos have the same increasing times, each video becomes a view; otherwise each frame becomes a view.

        Args:
            cameras: (N,) cameras.
            times: (N,) seconds, if known.
            videos: the name of each frame's video, if known.

        Returns:
            The rig of V views and T frames, and (V, T) indices of its frames.
        """
        N = cameras.size
        if times is not None and videos is not None:
            names = list(dict.fromkeys(videos))
            rows = [sorted((i for i in range(N) if videos[i] == name), key=lambda i: times[i]) for name in names]
            clock = times[rows[0]]
            if all(np.array_equal(times[row], clock) for row in rows) and (np.diff(clock) > 0).all():
                order = np.array(rows)
                return cls(cameras[order], clock, tuple(names)), order
        order = np.arange(N)[:, None]
        return cls(cameras[order], np.zeros(1), tuple(f"frame_{i:03d}" for i in range(N))), order

    @classmethod
    def from_paths(cls, paths: Mapping[str, Cameras], times: ArrayLike) -> Rig:
        """A rig from camera paths by name, for example a path through key poses at constant speed:

            keys = look_at([[-3, -3, 1], [0, -4, 2], [3, -3, 1]], target=[0, 0, 0.6])
            K = intrinsics_from_fov(math.radians(50), width=128, height=128)
            sweep = Cameras(through(keys, 16, easing="in-out"), K, width=128, height=128)
            rig = Rig.from_paths({"there": sweep, "back": sweep[::-1]}, times=np.arange(16) / 8)

        Args:
            paths: name of each video -> its cameras (T,); all with images of one size.
            times: (T,) seconds.

        Raises:
            InputError: there are no paths, or they differ in the number of frames or the image size.
        """
        cameras = list(paths.values())
        if not cameras:
            raise InputError("A rig needs at least one path; give a name and its cameras.")
        kinds = [f"{path.shape} of {path.width}x{path.height} pixels" for path in cameras]
        for name, path, kind in zip(paths, cameras, kinds):
            if kind != kinds[0] or len(path.shape) != 1:
                raise InputError(
                    f"The path {name!r} has cameras {kind}; all paths of a rig need cameras (T,) of one length and "
                    f"image size, and the first has {kinds[0]}."
                )
        c2w, K = np.stack([p.c2w for p in cameras]), np.stack([p.K for p in cameras])
        return cls(Cameras(c2w, K, cameras[0].width, cameras[0].height), np.asarray(times), tuple(paths))

    def transformed(self, world: np.ndarray) -> Rig:
        """The rig after the rigid motion `world` (4, 4) is applied to the whole scene."""
        return Rig(self.cameras.transformed(world), self.times, self.names)

    def subset(self, names: Sequence[str]) -> Rig:
        """The rig of the named videos only, in the given order."""
        for name in names:
            if name not in self.names:
                raise InputError(f"The rig has no video {name!r}; it has {', '.join(self.names)}.")
        return Rig(self.cameras[[self.names.index(name) for name in names]], self.times, tuple(names))
