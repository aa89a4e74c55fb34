"""Frames to files: numbered PNG images, and H.264 video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

# For the same bytes every time: one thread, and no macroblock tree, which on small frames reads memory it never wrote.
ENCODER = {"crf": "18", "threads": "1", "x264-params": "mbtree=0"}


def to_uint8(image: np.ndarray) -> np.ndarray:
    """RGB in [0, 1] to 0..255, rounded; values outside are clipped."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)


def write_image(image: np.ndarray, path: Path) -> None:
    """Write one (H, W, 3) image in [0, 1] as an 8-bit PNG."""
    from PIL import Image

    Image.fromarray(to_uint8(image)).save(path)


def frame_path(name: str, frame: int) -> str:
    """Where a scene folder keeps a frame; zero-padded, because nerfstudio sorts frames by path."""
    return f"images/{name}/{frame:05d}.png"


def write_video(frames: np.ndarray, path: Path, fps: float) -> None:
    """Write (T, H, W, 3) frames in [0, 1] as H.264, yuv420p, in an mp4 file.

    An odd width or height, which yuv420p cannot hold, is made even by repeating its last column or row.
    """
    import av

    height, width = frames.shape[1:3]
    even = np.pad(to_uint8(frames), ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=ENCODER)
        stream.width, stream.height, stream.pix_fmt = even.shape[2], even.shape[1], "yuv420p"
        for frame in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
