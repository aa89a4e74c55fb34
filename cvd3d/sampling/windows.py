"""Videos longer than the network: overlapping windows in time, across all videos at once."""

from __future__ import annotations

import numpy as np

from trajectories import InputError


def windows(frames: int, length: int, overlap: int | None) -> list[slice]:
    """The windows of `length` frames that cover a video, each sharing `overlap` frames or more with the one before.

    Args:
        overlap: None for videos that fit in one window.

    Raises:
        InputError: a video longer than the network without an overlap, or an overlap out of range.
    """
    if frames <= length:
        return [slice(0, frames)]
    if overlap is None:
        raise InputError(
            f"The rig has {frames} frames and this model takes {length} at once; ask for windows that overlap, by "
            f"{length // 2} frames, say, or for fewer frames."
        )
    if not 1 <= overlap < length:
        raise InputError(f"The windows overlap by {overlap} frames; give 1 to {length - 1}.")
    count = -(-(frames - overlap) // (length - overlap))
    starts = np.linspace(0, frames - length, count).round().astype(int)
    return [slice(int(start), int(start) + length) for start in starts]


def window_weights(cover: list[slice], frames: int) -> np.ndarray:
    """(windows, frames) weights that sum to 1 at each frame; a window counts most in its middle, so that seams fade."""
    weights = np.zeros((len(cover), frames))
    for row, window in zip(weights, cover):
        length = window.stop - window.start
        row[window] = np.minimum(np.arange(length) + 1, length - np.arange(length))
    return weights / weights.sum(axis=0)
