"""Overlapping windows in time, for videos longer than the network's."""

from __future__ import annotations

import numpy as np

from trajectories import InputError


def split_into_windows(frames: int, length: int, overlap: int | None) -> list[slice]:
    """Windows of `length` frames that cover a video; consecutive windows share at least `overlap` frames.

    Args:
        frames: the length of the video.
        length: the number of frames that the network takes.
        overlap: may be None for videos that fit in one window.

    Raises:
        InputError: a video that needs several windows without an overlap, or an overlap out of range.
    """
    if frames <= length:
        return [slice(0, frames)]
    if overlap is None:
        raise InputError(
            f"The rig has {frames} frames and this model takes {length} at once; give a window overlap, for example "
            f"{length // 2}, or fewer frames."
        )
    if not 1 <= overlap < length:
        raise InputError(f"The windows overlap by {overlap} frames; give 1 to {length - 1}.")
    count = -(-(frames - overlap) // (length - overlap))
    starts = np.linspace(0, frames - length, count).round().astype(int)
    return [slice(int(start), int(start) + length) for start in starts]


def window_weights(windows: list[slice], frames: int) -> np.ndarray:
    """(windows, frames) weights that sum to 1 at each frame and decrease towards a window's ends, to hide seams."""
    weights = np.zeros((len(windows), frames))
    for row, window in zip(weights, windows):
        length = window.stop - window.start
        row[window] = np.minimum(np.arange(length) + 1, length - np.arange(length))
    return weights / weights.sum(axis=0)
