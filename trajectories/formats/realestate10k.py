"""Read and write RealEstate10K pose files: one text line per frame (Zhou et al. 2018, "Stereo Magnification").

The first line is the clip's URL. Every other line holds 19 numbers: a time stamp in microseconds; fx, fy, cx, cy as
fractions of the image's width and height; two zeros; and the first three rows of the world-to-camera matrix in OpenCV
axes.

A stretch does not change the fractions: for a clip resized to W x H, K = (fx W, fy H, cx W, cy H) for any original
size. A crop does change them, so the file does not fit a cropped clip.
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
    """Read a pose file for a clip of the given size.

    Args:
        path: the text file.
        width: width of the clip's frames in pixels.
        height: height of the clip's frames in pixels.
        fps: frame rate of a file whose time stamps are all equal, as in files of planned (never filmed) paths.

    Returns:
        Cameras (T,) and their times (T,) in seconds, with the file's time origin.

    Raises:
        InputError: the file is missing, or a line is not a pose; the message names the line.
    """
    lines = [(n, line.split()) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip()]
    if lines and len(lines[0][1]) != COLUMNS:
        lines = lines[1:]  # the clip's URL
    if not lines:
        raise InputError(f"{path}: holds no poses; one line of {COLUMNS} numbers for each frame is expected.")
    for n, tokens in lines:
        if len(tokens) != COLUMNS:
            raise InputError(f"{path}, line {n}: has {len(tokens)} columns; a RealEstate10K pose has {COLUMNS}.")
    table = np.stack([parse_floats(tokens, f"{path}, line {n}") for n, tokens in lines])
    distorted = (table[:, 5:7] != 0).any(axis=1)
    if distorted.any():
        n = lines[int(np.argmax(distorted))][0]
        raise InputError(f"{path}, line {n}: columns 6 and 7 must be 0; undistort the clip.")
    w2c = rigid(table[:, 7:].reshape(-1, 3, 4)[..., :3], table[:, 7:].reshape(-1, 3, 4)[..., 3])
    mirrored = np.linalg.det(np.nan_to_num(w2c[:, :3, :3])) < 0
    if mirrored.any():
        n = lines[int(np.argmax(mirrored))][0]
        raise InputError(
            f"{path}, line {n}: the pose is a mirror image (determinant -1), not a rotation; negate the axis that "
            "its writer flipped."
        )
    K = pinhole.matrix(table[:, 1:5] * np.array([width, height, width, height]))
    checked = cameras_from(inverse(w2c), K, width, height, lambda t: f"{path}, line {lines[t][0]}")
    # The files round to a few digits: make the rotation exact and keep the translation column as written.
    exact = rigid(nearest_rotation(w2c[:, :3, :3]), w2c[:, :3, 3])
    cameras = Cameras(inverse(exact), checked.K, width, height)
    times = table[:, 0] / MICROSECONDS
    if len(times) > 1 and (times == times[0]).all():
        return cameras, np.arange(len(times)) / fps
    increasing = np.diff(times) > 0
    if not increasing.all():
        first = int(np.argmin(increasing)) + 1
        raise InputError(f"{path}, line {lines[first][0]}: the time stamp {table[first, 0]:.0f} does not increase.")
    return cameras, times


def write_poses(cameras: Cameras, times: ArrayLike, path: str | Path, *, url: str = "cvd3d") -> None:
    """Write cameras (T,) and their times (T,) in seconds.

    Numbers are written at full precision; times are rounded to microseconds. The file does not store the image size.

    Args:
        cameras: (T,) cameras.
        times: (T,) seconds.
        path: the text file.
        url: the first line, the clip's URL, which readers skip.
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
