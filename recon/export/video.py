"""Write video files and animated images, and render splats along a camera path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import whole

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats

ANIMATIONS: dict[str, dict[str, Any]] = {
    ".gif": {"format": "GIF"},
    ".webp": {"format": "WEBP", "quality": 80, "method": 4},
}
FILMS = (".mp4", *ANIMATIONS)
"""The suffixes that `write_film` knows."""
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


def write_film(frames: Iterable[np.ndarray], path: Path | str, fps: float) -> None:
    """Write (H, W, 3) frames in [0, 1] to a .mp4 file, or to a .gif or .webp that plays in a loop.

    A gif has at most 256 colors for each frame, and 100 frames per second or fewer, in steps of 10 ms.

    Raises:
        InputError: another suffix.
    """
    check_film(path)
    if Path(path).suffix.lower() == ".mp4":
        write_video(frames, path, fps)
        return
    from PIL import Image

    images = (Image.fromarray(to_uint8(frame)) for frame in frames)
    with whole(path) as temporary:
        options = ANIMATIONS[Path(path).suffix.lower()]
        next(images).save(temporary, save_all=True, append_images=images, duration=round(1000 / fps), loop=0, **options)


def check_film(path: Path | str) -> None:
    """Check the suffix of a film.

    Raises:
        InputError: `write_film` has no format of this suffix.
    """
    if Path(path).suffix.lower() not in FILMS:
        raise InputError(f"{path}: a film is written as {', '.join(FILMS)}; give one of these suffixes.")


def filmed(
    splats: Splats | MovingSplats,
    cameras: Cameras,
    times: np.ndarray,
    *,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    show_progress: bool = False,
) -> Iterator[np.ndarray]:
    """Render splats along a camera path; yields (H, W, 3) frames in [0, 1].

    Args:
        splats: N Gaussians, still or moving.
        cameras: (F,) one camera per frame, in order.
        times: (F,) seconds, the instant of each frame.
        background: RGB color behind the splats.
        show_progress: show a progress bar.
    """
    from recon.progress import track
    from recon.render import render

    for n in track(range(cameras.size), "Filming", show=show_progress):
        yield render(splats.at(float(times[n])), cameras[n : n + 1], background)[0].cpu().numpy()


def write_flight(
    splats: Splats | MovingSplats,
    cameras: Cameras,
    times: np.ndarray,
    path: Path | str,
    *,
    fps: float,
    show_progress: bool = False,
) -> None:
    """Write what `filmed` renders, on black, as an mp4 file of any name; an existing one is replaced at the end."""
    write_video(filmed(splats, cameras, times, show_progress=show_progress), path, fps)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert RGB in [0, 1] to 0..255, rounded; values outside are clipped."""
    return np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8)
