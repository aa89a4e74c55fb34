"""Epipolar geometry between two videos, and the soft attention mask computed from it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from trajectories import Cameras, InputError
from trajectories.geometry import fundamental_matrix, homography_at_infinity

DEGENERATE_BASELINE = 1e-6  # meters; below this distance of the centers, epipolar lines are undefined in float32


def feature_pixels(height: int, width: int, rows: int, cols: int, offset: float = 0.0) -> np.ndarray:
    """(rows * cols, 3) homogeneous pixel positions of the centers of a feature grid over an image, in row-major order.

    Args:
        offset: added to both coordinates; the mask of the official code uses -0.5 (CVD.md, 1.3).
    """
    y, x = np.meshgrid((np.arange(rows) + 0.5) * height / rows, (np.arange(cols) + 0.5) * width / cols, indexing="ij")
    return np.stack([x.ravel() + offset, y.ravel() + offset, np.ones(rows * cols)], axis=-1)


def epipolar_lines(query: Cameras, key: Cameras, pixels: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(..., N, 3) epipolar lines (a, b, c) in the key image, ax + by + c = 0 in pixels, of pixels in the query image.

    If two cameras share their center, a pixel has one exact match and no epipolar line. It gets a line through that
    match.

    Args:
        query, key: cameras of the same shape (...,).
        pixels: (N, 3) homogeneous pixels of the query image.
        angles: (...,) directions of the lines' normals in radians, used for cameras that share a center.

    Raises:
        InputError: a line that is not finite; the message names the camera.
    """
    lines = pixels @ np.swapaxes(fundamental_matrix(query, key), -1, -2)
    degenerate = np.linalg.norm(query.centers - key.centers, axis=-1) < DEGENERATE_BASELINE
    match = pixels @ np.swapaxes(homography_at_infinity(query, key), -1, -2)
    lines = np.where(degenerate[..., None, None], _lines_through(match, angles), lines)
    if not np.isfinite(lines).all():
        index = np.argwhere(~np.isfinite(lines))[0][: len(query.shape)].tolist()
        raise InputError(f"The epipolar lines of camera {index} are not finite; check its pose and intrinsics.")
    return lines


def epipolar_bias(
    query: Cameras,
    key: Cameras,
    rows: int,
    cols: int,
    angles: np.ndarray,
    *,
    pixel_offset: float = 0.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(..., N, N) float32 bias of attention scores, N = rows * cols: 0 on the epipolar line, negative away from it.

    The soft mask of the released code (CVD.md, 1.3): with d the distance of the key feature to the query's line in
    pixels, tau = 3 / (height // 2) * max d of that frame, the bias is -3 max(0, d - tau) / tau. Every row has keys that
    are not masked out.

    Args:
        query, key: cameras of the same shape (...,); both images have the same size.
        angles: (...,) see `epipolar_lines`.
        pixel_offset: see `feature_pixels`.
        device: device of the mask.
    """
    pixels = feature_pixels(query.height, query.width, rows, cols, pixel_offset)
    return bias_from_lines(epipolar_lines(query, key, pixels, angles), pixels, query.height, device)


def homography_bias(
    homographies: np.ndarray,
    width: int,
    height: int,
    rows: int,
    cols: int,
    angles: np.ndarray,
    *,
    pixel_offset: float = 0.0,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The mask of `epipolar_bias` for matches given by a homography: a line through each match (paper, section 3.3).

    Args:
        homographies: (..., 3, 3) from query pixels to key pixels; both images are width x height.
        angles: (...,) directions of the lines' normals in radians.
    """
    pixels = feature_pixels(height, width, rows, cols, pixel_offset)
    match = pixels @ np.swapaxes(homographies, -1, -2)
    return bias_from_lines(_lines_through(match, angles), pixels, height, device)


def bias_from_lines(lines: np.ndarray, pixels: np.ndarray, height: int, device: torch.device | str) -> Tensor:
    """(..., N, N) float32 bias from the query features' lines (..., N, 3) and the key features' pixels (N, 3)."""
    lines = lines / (np.linalg.norm(lines[..., :2], axis=-1, keepdims=True) + 1e-6)
    distance = (torch.from_numpy(lines).to(device) @ torch.from_numpy(pixels.T.copy()).to(device)).abs()
    tau = 3 / max(height // 2, 1) * distance.amax(dim=(-2, -1), keepdim=True)
    return (-(distance - tau).clamp_min(0) * (3 / (tau + 1e-6))).float()


def _lines_through(match: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(..., N, 3) lines through homogeneous points (..., N, 3), with normals in the directions of the angles (...,)."""
    at_infinity = np.abs(match[..., 2:]) < 1e-9  # replaced by a distant point
    match = match[..., :2] / np.where(at_infinity, 1e-9, match[..., 2:])
    normal = np.broadcast_to(np.stack([np.cos(angles), np.sin(angles)], axis=-1)[..., None, :], match.shape)
    return np.concatenate([normal, -(normal * match).sum(axis=-1, keepdims=True)], axis=-1)
