"""Captures: posed frames, filmed or generated, as the fit eats them."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from recon.points import PointCloud, load_ply
from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.rig import Rig

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
CAMERA_SOURCES = "a rig.json, a nerfstudio transforms.json or a COLMAP model (sparse/0) beside the images"


class Source(Protocol):
    """Where one frame is read from."""

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, without decoding the frame where the format allows."""

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""


@dataclass(frozen=True)
class Still:
    """An image file."""

    path: Path

    def size(self) -> tuple[int, int]:
        """(width, height) from the file's header."""
        from PIL import Image, UnidentifiedImageError

        if not self.path.is_file():
            raise InputError(f"The image {self.path} is missing; put it there or remove its camera.")
        try:
            with Image.open(self.path) as image:
                return image.size
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise InputError(f"The image {self.path} does not open; replace the file.") from error

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; transparency is laid over black."""
        from PIL import Image

        self.size()
        try:
            with Image.open(self.path) as image:
                if "A" not in image.getbands() and "transparency" not in image.info:
                    return np.asarray(image.convert("RGB"))
                black = Image.new("RGBA", image.size, "black")
                return np.asarray(Image.alpha_composite(black, image.convert("RGBA")).convert("RGB"))
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"The image {self.path} does not open; replace the file.") from error


@dataclass(frozen=True)
class VideoFrame:
    """One frame of a video file."""

    path: Path
    index: int

    def size(self) -> tuple[int, int]:
        """(width, height) of the video."""
        height, width = read_video(self.path).shape[1:3]
        return width, height

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return read_video(self.path)[self.index]


@dataclass(frozen=True)
class Resized:
    """Another source, stretched to a new size by area averaging."""

    source: Source
    width: int
    height: int

    def size(self) -> tuple[int, int]:
        """(width, height) after the stretch."""
        return self.width, self.height

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        import cv2

        return np.asarray(cv2.resize(self.source.read(), (self.width, self.height), interpolation=cv2.INTER_AREA))


@functools.lru_cache(maxsize=2)  # the frames of one clip are asked for one after the other
def read_video(path: Path) -> np.ndarray:
    """Decode a whole clip: (T, H, W, 3) uint8 RGB, read-only.

    Raises:
        InputError: no such file, or not a video.
    """
    import av

    if not Path(path).is_file():
        raise InputError(f"There is no video {path}; check the path.")
    try:
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"The video {path} does not open; replace the file.") from error
    if not frames:
        raise InputError(f"The video {path} holds no frames; replace the file.")
    if len({frame.shape for frame in frames}) > 1:
        raise InputError(f"The video {path} has frames of different sizes; encode it at one size.")
    clip = np.stack(frames)
    clip.flags.writeable = False
    return clip


@dataclass(frozen=True, eq=False)
class Capture:
    """N posed frames.

    Raises:
        InputError: no frames, or lengths that disagree.
    """

    cameras: Cameras
    """(N,) cameras."""
    times: np.ndarray
    """(N,) seconds; all 0 where the capture does not say, as for photos of something still."""
    videos: tuple[str, ...]
    """The name of each frame's video."""
    sources: tuple[Source, ...]
    """What each frame is read from, when it is asked for."""
    points: PointCloud | None = None
    """Points that came with the capture."""

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

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) float32 RGB in [0, 1].

        Raises:
            InputError: the image does not open, or its size is not the camera's.
        """
        pixels = self.sources[index].read()
        if pixels.shape[:2] != (self.cameras.height, self.cameras.width):
            raise _wrong_size(self.sources[index], (pixels.shape[1], pixels.shape[0]), self.cameras)
        return pixels.astype(np.float32) / 255.0

    def images(self, indices: Iterable[int] | None = None) -> np.ndarray:
        """(M, H, W, 3) float32 RGB in [0, 1]; all frames unless told."""
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
        """The same views in images of another size (a stretch, never a crop)."""
        sources = tuple(Resized(source, width, height) for source in self.sources)
        return replace(self, cameras=self.cameras.resized(width, height), sources=sources)

    def check_images(self) -> None:
        """Open every image's header.

        Raises:
            InputError: the first image that is missing, does not open, or is not of its camera's size.
        """
        for source in self.sources:
            size = source.size()
            if size != (self.cameras.width, self.cameras.height):
                raise _wrong_size(source, size, self.cameras)

    def check_parallax(self) -> None:
        """Make sure that depth can be seen.

        Raises:
            InputError: one frame, or cameras that all stand in one place.
        """
        if len(self) < 2:
            raise InputError("The capture has one frame; splats need at least two from different places.")
        spread = np.ptp(self.cameras.centers, axis=0).max()
        if spread <= 1e-9 * max(1.0, float(np.abs(self.cameras.centers).max())):
            raise InputError(
                f"All {len(self)} cameras stand in one place, so nothing shows depth; move the camera between frames."
            )


def _wrong_size(source: Source, size: tuple[int, int], cameras: Cameras) -> InputError:
    name = getattr(source, "path", source)
    return InputError(
        f"{name} is {size[0]}x{size[1]} but the cameras are for {cameras.width}x{cameras.height}; "
        "give all frames at one size, the size of the cameras."
    )


def from_rig(rig: Rig, image_folder: Path | str, points: PointCloud | None = None) -> Capture:
    """The frames of a rig, in files `image_folder/NAME/00000.png` and so on, video after video.

    Raises:
        InputError: a frame is missing, does not open, or has the wrong size.
    """
    folder = Path(image_folder)
    sources = tuple(Still(folder / name / f"{t:05d}.png") for name in rig.names for t in range(rig.frames))
    videos = tuple(name for name in rig.names for _ in range(rig.frames))
    return _checked(Capture(rig.cameras.reshape(-1), np.tile(rig.times, rig.views), videos, sources, points))


def from_nerfstudio(folder: Path | str) -> Capture:
    """A nerfstudio dataset: `transforms.json` (or the path of one), its images and its `ply_file_path`.

    Raises:
        InputError: what the reader of `transforms.json` refuses, or an image that is missing or does not open.
    """
    from trajectories.formats.nerfstudio import read_transforms

    path = Path(folder)
    path = path / "transforms.json" if path.is_dir() else path
    transforms = read_transforms(path)
    N = len(transforms.file_paths)
    sources = tuple(Still(path.parent / file_path) for file_path in transforms.file_paths)
    times = np.zeros(N) if transforms.times is None else transforms.times
    videos = ("frames",) * N if transforms.videos is None else tuple(transforms.videos)
    points = None
    if transforms.ply_file_path:
        stored = load_ply(path.parent / transforms.ply_file_path)
        points = PointCloud(transforms.points_to_world(stored.positions), stored.colors, stored.source)
    return _checked(Capture(transforms.cameras, times, videos, sources, points))


def from_colmap(folder: Path | str) -> Capture:
    """Photos with a COLMAP model: `images/` and `sparse/0`, `sparse` or `colmap/sparse/0`, text or binary.

    The world is COLMAP's own: its up axis and its unit are whatever the model says.

    Raises:
        InputError: what the reader of the model refuses, or an image that is missing or does not open.
    """
    from trajectories.formats.colmap import read_model

    folder = Path(folder)
    model_folder = _colmap_model_folder(folder)
    if model_folder is None:
        raise InputError(f"{folder} holds no COLMAP model; put cameras and images files in {folder / 'sparse' / '0'}.")
    model = read_model(model_folder)
    sources = tuple(Still(folder / "images" / name) for name in model.names)
    points = None
    if len(model.points):
        points = PointCloud(model.points, np.asarray(model.colors) / 255.0, "the COLMAP model")
    return _checked(Capture(model.cameras, np.zeros(len(sources)), ("photos",) * len(sources), sources, points))


def from_realestate10k(video: Path | str, poses: Path | str) -> Capture:
    """A RealEstate10K clip and its pose file, one line a frame.

    Clips are squeezed to their size, not cropped, so K = (fx W, fy H, cx W, cy H). Where one of the two is longer,
    the frames that both have, from the first on, are used, with a warning.

    Raises:
        InputError: a video or pose file that does not open.
    """
    from trajectories.formats.realestate10k import read_poses

    path = Path(video)
    T, height, width = read_video(path).shape[:3]
    cameras, times = read_poses(poses, width, height)
    shared = min(T, cameras.size)
    if cameras.size != T:
        warnings.warn(
            f"{path} has {T} frames and {poses} has {cameras.size} poses; the first {shared} of both are used.",
            stacklevel=2,
        )
    sources = tuple(VideoFrame(path, index) for index in range(shared))
    return _checked(Capture(cameras[:shared], times[:shared], (path.stem,) * shared, sources))


def load_capture(path: Path | str, poses: Path | str | None = None) -> Capture:
    """Recognise a capture on disk and load it.

    Args:
        path: a scene folder of ours, a nerfstudio or COLMAP folder, a `transforms.json`, or a video.
        poses: the RealEstate10K pose file of a video.

    Raises:
        InputError: nothing there, no cameras, or what the loader of that kind refuses.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no capture at {path}; check the path.")
    if path.suffix.lower() in VIDEO_SUFFIXES:
        if poses is None:
            raise InputError(f"{path} is a video without cameras; give its RealEstate10K pose file with --poses.")
        return from_realestate10k(path, poses)
    if poses is not None:
        raise InputError(f"A pose file belongs to a video, and {path} is none; leave --poses out or give the video.")
    if path.is_file():
        if path.suffix.lower() == ".json":
            return from_nerfstudio(path)
        raise InputError(f"{path} is not a capture; give a folder with {CAMERA_SOURCES}, or a video with --poses.")
    if (path / "rig.json").is_file():
        from trajectories.rig_file import load_rig

        points = load_ply(path / "points.ply") if (path / "points.ply").is_file() else None
        return from_rig(load_rig(path / "rig.json"), path / "images", points)
    if (path / "transforms.json").is_file():
        return from_nerfstudio(path)
    if _colmap_model_folder(path) is not None:
        return from_colmap(path)
    files = sum(1 for file in path.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES)
    raise InputError(f"{path} holds {files} images and videos but no cameras; add {CAMERA_SOURCES}.")


def _checked(capture: Capture) -> Capture:
    capture.check_images()
    return capture


def _colmap_model_folder(folder: Path) -> Path | None:
    for candidate in (folder / "sparse" / "0", folder / "sparse", folder / "colmap" / "sparse" / "0"):
        if any((candidate / f"images.{suffix}").is_file() for suffix in ("txt", "bin")):
            return candidate
    return None
