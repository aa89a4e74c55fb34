"""RealEstate10K pose files: one text line a frame (Zhou et al. 2018, "Stereo Magnification").

The first line is the clip's address. Every other line holds 19 numbers: a time stamp in microseconds; fx, fy, cx, cy
as fractions of the image's width and height; two zeros; and the first three rows of the world-to-camera matrix, OpenCV
axes.

Fractions survive a squeeze: for a clip that was stretched to W x H, K = (fx W, fy H, cx W, cy H), whatever size it was
filmed at. A clip that was cropped has other fractions than its file says.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import cameras_from, parse_floats, read_text, write_text
from trajectories.formats import pinhole
from trajectories.rotations import inverse, nearest_rotation, rigid

COLUMNS = 19
MICROSECONDS = 1e6


def read_poses(path: str | Path, width: int, height: int, *, fps: float = 30.0) -> tuple[Cameras, np.ndarray]:
    """Read a pose file for a clip of that size in pixels.

    Args:
        path: the text file.
        width: width of the clip's frames in pixels.
        height: height of the clip's frames in pixels.
        fps: the clock of a file whose time stamps are all equal, as planned (never filmed) paths have.

    Returns:
        Cameras (T,) and their times (T,) in seconds, as the file counts them.

    Raises:
        InputError: a missing file, or a line that is no pose; the sentence names the line.
    """
    lines = [(n, line.split()) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip()]
    if lines and len(lines[0][1]) != COLUMNS:
        lines = lines[1:]  # the address of the clip
    if not lines:
        raise InputError(f"{path}: holds no poses; one line of {COLUMNS} numbers for each frame is expected.")
    for n, tokens in lines:
        if len(tokens) != COLUMNS:
            raise InputError(f"{path}, line {n}: has {len(tokens)} columns; a RealEstate10K pose has {COLUMNS}.")
    table = np.stack([parse_floats(tokens, f"{path}, line {n}") for n, tokens in lines])
    distorted = (table[:, 5:7] != 0).any(axis=1)
    if distorted.any():
        n = lines[int(np.argmax(distorted))][0]
        raise InputError(f"{path}, line {n}: columns 6 and 7 must be 0; lens distortion is not read, so undistort.")
    w2c = rigid(table[:, 7:].reshape(-1, 3, 4)[..., :3], table[:, 7:].reshape(-1, 3, 4)[..., 3])
    mirrored = np.linalg.det(np.nan_to_num(w2c[:, :3, :3])) < 0
    if mirrored.any():
        n = lines[int(np.argmax(mirrored))][0]
        raise InputError(
            f"{path}, line {n}: the pose is a mirror image (determinant -1), which no camera can be; negate the axis "
            "that its writer flipped."
        )
    K = pinhole.matrix(table[:, 1:5] * np.array([width, height, width, height]))
    checked = cameras_from(inverse(w2c), K, width, height, lambda t: f"{path}, line {lines[t][0]}")
    # The files round to a few digits; an exact rotation keeps the translation column as it was written.
    exact = rigid(nearest_rotation(w2c[:, :3, :3]), w2c[:, :3, 3])
    cameras = Cameras(inverse(exact), checked.K, width, height)
    times = table[:, 0] / MICROSECONDS
    if len(times) > 1 and (times == times[0]).all():
        return cameras, np.arange(len(times)) / fps
    late = np.diff(times) > 0
    if not late.all():
        n = lines[int(np.argmin(late)) + 1][0]
        raise InputError(
            f"{path}, line {n}: the time stamp {table[int(np.argmin(late)) + 1, 0]:.0f} does not increase."
        )
    return cameras, times


def write_poses(cameras: Cameras, times: ArrayLike, path: str | Path, *, url: str = "cvd3d") -> None:
    """Write cameras (T,) and their times (T,) in seconds.

    Numbers are written in full; times are rounded to the format's microseconds. The image size is not in the file.

    Args:
        cameras: (T,) cameras.
        times: (T,) seconds.
        path: the text file.
        url: the first line, which readers skip: the address of the clip.
    """
    stamps = np.rint(np.asarray(times, dtype=np.float64) * MICROSECONDS)
    if cameras.shape != stamps.shape or stamps.ndim != 1:
        raise InputError(
            f"{path}: cameras of shape {cameras.shape} and times of shape {stamps.shape}; both must be (T,)."
        )
    fractions = pinhole.parameters(cameras) / np.array([cameras.width, cameras.height, cameras.width, cameras.height])
    lines = [url]
    for stamp, lens, w2c in zip(stamps, fractions, cameras.viewmats):
        lines.append(" ".join([f"{stamp:.0f}", *map(repr, lens.tolist()), "0 0", *map(repr, w2c[:3].ravel().tolist())]))
    write_text(path, "\n".join(lines) + "\n")
