"""Choose the frames of a video by sharpness and motion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trajectories.errors import InputError

STEP = 0.04
"""Motion between two chosen frames, as a fraction of the image width."""
FEWEST, MOST = 40, 120
"""Limits of the number of chosen frames; a shorter video gives all of its frames."""
SMALL = 240
"""Width in pixels of the images in which sharpness and motion are measured."""


def choose(sharpness: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """The sharpest frame of each of several parts of equal motion.

    Args:
        sharpness: (T,) larger is sharper.
        motion: (T,) motion from the previous frame as a fraction of the image width; the first is ignored.

    Returns:
        (M,) increasing frame indices.
    """
    T = len(sharpness)
    way = np.concatenate([[0.0], np.cumsum(motion[1:])])
    count = min(int(np.clip(np.ceil(way[-1] / STEP), FEWEST, MOST)), T)
    if count == T:
        return np.arange(T)
    even = np.arange(T) / (T - 1)
    # A tenth of the path counts time, so that a camera that rests is not left out altogether.
    along = 0.9 * (way / way[-1] if way[-1] > 0 else even) + 0.1 * even
    part = np.minimum((along * count).astype(int), count - 1)
    return np.array([max(np.flatnonzero(part == p), key=lambda t: sharpness[t]) for p in np.unique(part)])


def measure(frames: Iterator[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sharpness (variance of the Laplacian) and motion (median optical flow over the width) of frames (H, W, 3) uint8.

    Returns:
        (T,) and (T,), as `choose` takes them.
    """
    import cv2

    sharpness, motion, before = [], [], None
    for frame in frames:
        height, width = frame.shape[:2]
        size = (SMALL, max(16, round(SMALL * height / width)))
        gray = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        sharpness.append(cv2.Laplacian(gray, cv2.CV_64F).var())
        flow: np.ndarray = np.zeros((1, 1, 2))
        if before is not None:
            flow = cv2.calcOpticalFlowFarneback(before, gray, np.zeros((*gray.shape, 2)), 0.5, 3, 15, 2, 5, 1.1, 0)
        motion.append(float(np.median(np.linalg.norm(flow, axis=-1))) / SMALL)
        before = gray
    return np.array(sharpness), np.array(motion)


def decoded(video: Path) -> Iterator[tuple[float, np.ndarray]]:
    """The frames of a video one by one, upright as its file says: time in seconds and (H, W, 3) uint8 RGB.

    Raises:
        InputError: the file is not a video.
    """
    import av

    try:
        with av.open(str(video)) as container:
            for n, frame in enumerate(container.decode(video=0)):
                time = n / 30.0 if frame.time is None else frame.time
                yield time, np.rot90(frame.to_ndarray(format="rgb24"), getattr(frame, "rotation", 0) // 90)
    except (av.FFmpegError, IndexError) as error:
        raise InputError(f"The video {video} does not open; replace the file.") from error
