"""Sources of frames: image files, videos and images in memory."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from trajectories.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
ORIENTATION = 0x0112
"""The EXIF tag of the image's orientation; values from 5 on swap width and height."""


class Source(Protocol):
    """The source of one frame."""

    def size(self) -> tuple[int, int]:
        """(width, height) in pixels, without decoding the frame if the format permits."""

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""


@dataclass(frozen=True)
class ImageFile:
    """An image file."""

    path: Path
    upright: bool = False
    """Rotate the image by its EXIF tag; otherwise pixels are used as stored, as COLMAP does."""

    def size(self) -> tuple[int, int]:
        """(width, height) from the file's header."""
        from PIL import Image, UnidentifiedImageError

        if not self.path.is_file():
            raise InputError(f"The image {self.path} is missing; put it there or remove its camera.")
        try:
            with Image.open(self.path) as image:
                width, height = image.size
                swapped = self.upright and image.getexif().get(ORIENTATION, 1) >= 5
                return (height, width) if swapped else (width, height)
        except (UnidentifiedImageError, OSError, SyntaxError) as error:
            raise InputError(f"The image {self.path} does not open; replace the file.") from error

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB; transparent images are composited on black, 16 bits become 8, grey becomes RGB."""
        from PIL import Image, ImageOps

        self.size()
        try:
            with Image.open(self.path) as image:
                image.load()
                return self._rgb(ImageOps.exif_transpose(image) if self.upright else image)
        except InputError:
            raise
        except (OSError, SyntaxError, ValueError) as error:
            raise InputError(f"The image {self.path} does not open; replace the file.") from error

    def _rgb(self, image: Image) -> np.ndarray:
        from PIL import Image

        if image.mode[0] in "IF":  # grey of more than 8 bits, which Pillow clips instead of scaling
            grey = np.asarray(image)
            if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
                raise InputError(f"The image {self.path} has 32 bits for each value; save it with 8 or 16 bits.")
            return np.repeat(np.round(grey / 257.0).astype(np.uint8)[..., None], 3, axis=2)
        if "A" not in image.getbands() and "transparency" not in image.info:
            return np.asarray(image.convert("RGB"))
        black = Image.new("RGBA", image.size, "black")
        return np.asarray(Image.alpha_composite(black, image.convert("RGBA")).convert("RGB"))


@dataclass(frozen=True, eq=False)
class Pixels:
    """An image in memory."""

    image: np.ndarray
    """(H, W, 3) uint8 RGB."""

    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.image.shape[1], self.image.shape[0]

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self.image


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
    """Another source, stretched to a new size; made by `resized`."""

    source: Source
    width: int
    height: int

    def size(self) -> tuple[int, int]:
        """(width, height) after stretching."""
        return self.width, self.height

    def read(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB, by area averaging if it shrinks, else by linear interpolation."""
        import cv2

        pixels = self.source.read()
        shrinks = self.width <= pixels.shape[1] and self.height <= pixels.shape[0]
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(pixels, (self.width, self.height), interpolation=how))


def resized(source: Source, width: int, height: int) -> Source:
    """A source at another size, always stretched from the original, so only once."""
    original = source.source if isinstance(source, Resized) else source
    return original if original.size() == (width, height) else Resized(original, width, height)


def wrong_size(source: Source, size: tuple[int, int], width: int, height: int) -> InputError:
    """The error for a source whose size differs from its camera's."""
    name = getattr(source, "path", source)
    return InputError(
        f"{name} is {size[0]}x{size[1]} but its camera is for {width}x{height}; give the camera's image, or correct "
        "the camera's size and lens."
    )


@functools.lru_cache(maxsize=2)  # the frames of one clip are read one after the other
def read_video(path: Path) -> np.ndarray:
    """Decode a whole clip: (T, H, W, 3) uint8 RGB, read-only.

    Raises:
        InputError: the file is missing or not a video.
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
