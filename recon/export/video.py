"""Write video files, and render splats along a camera path to a video."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trajectories.cameras import Cameras
from trajectories.files import whole

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

# For reproducible bytes: one thread, and no macroblock tree, which reads uninitialized memory on small frames.
ENCODER = {"crf": "18", "threads": "1", "x264-params": "mbtree=0"}


def write_video(frames: Iterable[np.ndarray], path: Path | str, fps: float) -> None:
    """Write (H, W, 3) frames in [0, 1] to an mp4 file as H.264, yuv420p, with one frame in memory at a time.

    yuv420p needs an even width and height; an odd one is padded by repeating the last column or row.
    """
    import av

    with whole(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=ENCODER)
        stream.pix_fmt = "yuv420p"
        for n, frame in enumerate(frames):
            height, width = frame.shape[:2]
            even = np.pad(to_uint8(frame), ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if n == 0:
                stream.width, stream.height = even.shape[1], even.shape[0]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
        container.mux(stream.encode())


def write_flight(
    splats: Splats | MovingSplats,
    cameras: Cameras,
    times: np.ndarray,
    path: Path | str,
    *,
    fps: float,
    show_progress: bool = False,
) -> None:
    """Render splats along a camera path, on black, and write a video.

    Args:
        splats: N Gaussians, still or moving.
        cameras: (F,) one camera per frame, in order.
        times: (F,) seconds, the instant of each frame.
        path: an mp4 file; an existing one is replaced once the new one is complete.
        fps: frames per second.
        show_progress: show a progress bar.
    """
    from recon.progress import track
    from recon.render import render

    order = track(range(cameras.size), "Filming", show=show_progress)
    seen = (render(splats.at(float(times[n])), cameras[n : n + 1])[0].cpu().numpy() for n in order)
    write_video(seen, path, fps)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert RGB in [0, 1] to 0..255, rounded; values outside are clipped."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
