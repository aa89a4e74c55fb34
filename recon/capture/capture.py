"""Posed frames, filmed or generated, the input of a fit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from recon.capture.sources import Source, resized, wrong_size
from recon.points import PointCloud
from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.views import any_overlap


@dataclass(frozen=True, eq=False)
class Capture:
    """N posed frames.

    Raises:
        InputError: there are no frames, or lengths differ.
    """

    cameras: Cameras
    """(N,) cameras."""
    times: np.ndarray
    """(N,) seconds; all 0 if the capture has no times, such as photos of a still scene."""
    videos: tuple[str, ...]
    """The name of each frame's video."""
    sources: tuple[Source, ...]
    """The source that each frame is read from on demand."""
    points: PointCloud | None = None
    """Points that are part of the capture."""

    def __post_init__(self) -> None:
        times = np.array(self.times, dtype=np.float64)
        times.flags.writeable = False
        object.__setattr__(self, "times", times)
        object.__setattr__(self, "videos", tuple(self.videos))
        object.__setattr__(self, "sources", tuple(self.sources))
        N = len(self.sources)
        if N == 0:
            raise InputError("The capture holds no frames; give at least two images with their cameras.")
        if self.cameras.shape != (N,) or times.shape != (N,) or len(self.videos) != N:
            raise InputError(
                f"The capture has {N} frames, cameras of shape {self.cameras.shape}, {times.size} times and "
                f"{len(self.videos)} video names; give one of each for every frame."
            )

    def __len__(self) -> int:
        return len(self.sources)

    def __repr__(self) -> str:
        count, size = len(dict.fromkeys(self.videos)), f"{self.cameras.width}x{self.cameras.height}"
        points = "no points" if self.points is None else f"{len(self.points.positions)} points"
        times = f"{self.times.min():g} to {self.times.max():g} s"
        return f"Capture({len(self)} frames of {count} videos, {size}, {times}, {points})"

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) float32 RGB in [0, 1].

        Raises:
            InputError: the image does not open, or its size is not the camera's.
        """
        pixels = self.sources[index].read()
        if pixels.shape[:2] != (self.cameras.height, self.cameras.width):
            raise wrong_size(self.sources[index], pixels.shape[1::-1], self.cameras.width, self.cameras.height)
        return pixels.astype(np.float32) / 255.0

    def images(self, indices: Iterable[int] | None = None) -> np.ndarray:
        """(M, H, W, 3) float32 RGB in [0, 1]; by default all frames."""
        return np.stack([self.image(int(index)) for index in (range(len(self)) if indices is None else indices)])

    def subset(self, indices: Sequence[int] | np.ndarray) -> Capture:
        """The frames at `indices`, in that order."""
        chosen = [int(index) for index in indices]
        return replace(
            self,
            cameras=self.cameras[np.array(chosen, dtype=int)],
            times=self.times[chosen],
            videos=tuple(self.videos[index] for index in chosen),
            sources=tuple(self.sources[index] for index in chosen),
        )

    def at_instant(self, time: float) -> Capture:
        """The frames of all videos at the instant nearest to `time` seconds."""
        nearest = self.times[np.argmin(np.abs(self.times - time))]
        return self.subset(np.flatnonzero(np.abs(self.times - nearest) < 1e-6))

    def resized(self, width: int, height: int) -> Capture:
        """The same views with images of another size (stretched, never cropped)."""
        sources = tuple(resized(source, width, height) for source in self.sources)
        return replace(self, cameras=self.cameras.resized(width, height), sources=sources)

    def check_images(self) -> None:
        """Open every image's header.

        Raises:
            InputError: an image is missing, does not open, or differs in size from its camera; the first one is named.
        """
        for source in self.sources:
            size = source.size()
            if size != (self.cameras.width, self.cameras.height):
                raise wrong_size(source, size, self.cameras.width, self.cameras.height)

    def check_parallax(self) -> None:
        """Check that the cameras permit depth estimation.

        Raises:
            InputError: there is one frame, all cameras are at one position, or no two cameras overlap.
        """
        if len(self) < 2:
            raise InputError("The capture has one frame; splats need at least two from different places.")
        spread = np.ptp(self.cameras.centers, axis=0).max()
        if spread <= 1e-9 * max(1.0, float(np.abs(self.cameras.centers).max())):
            raise InputError(
                f"All {len(self)} cameras stand in one place, so there is no parallax; move the camera between frames."
            )
        if not any_overlap(self.cameras):
            raise InputError(
                f"No two of the {len(self)} cameras see the same place, so there is no parallax; check their "
                "directions, or add images that overlap."
            )
