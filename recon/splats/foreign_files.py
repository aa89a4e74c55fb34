"""Read the files of splats .splat and .spz, without view-dependent color, in the axes of the file."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import torch

from recon.splats.splats import SH_C0, Splats
from trajectories.errors import InputError

SPLAT_ROW = np.dtype([("position", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])
SPZ_MAGIC, SPZ_VERSIONS, SPZ_COLOR_SCALE = 0x5053474E, (2, 3), 0.15


def load_splat(path: Path) -> Splats:
    """Read a .splat file: positions, scales, colors, opacities and rotations.

    Raises:
        InputError: the file ends in the middle of a splat.
    """
    content = path.read_bytes()
    if len(content) % SPLAT_ROW.itemsize:
        raise InputError(
            f"{path} has {len(content)} bytes, which is not a multiple of 32; it is no complete .splat file."
        )
    rows = np.frombuffer(content, SPLAT_ROW)
    scales = np.maximum(rows["scale"], 1e-9)
    quats = rows["quat"].astype(np.float32) / 128 - 1
    return _splats(rows["position"], quats, np.log(scales), rows["rgba"][:, 3] / 255, rows["rgba"][:, :3] / 255)


def load_spz(path: Path) -> Splats:
    """Read an .spz file of version 2 or 3.

    Raises:
        InputError: the file is damaged, ends early, or is of another version.
    """
    try:
        content = gzip.decompress(path.read_bytes())
        magic, version, count, _, bits, _, _ = struct.unpack_from("<IIIBBBB", content)
    except (OSError, EOFError, struct.error):
        raise InputError(f"{path} is damaged, or no .spz file; export it again.") from None
    if magic != SPZ_MAGIC or version not in SPZ_VERSIONS:
        raise InputError(f"{path} is SPZ version {version}; versions 2 and 3 can be read.")
    turn_bytes = 3 if version == 2 else 4
    sizes = [count * width for width in (9, 1, 3, 3, turn_bytes)]
    if len(content) < 16 + sum(sizes):
        raise InputError(f"{path} ends too early; export it again.")
    parts = np.split(np.frombuffer(content, np.uint8, sum(sizes), 16), np.cumsum(sizes)[:-1])
    fixed = np.zeros((count, 3, 4), np.uint8)
    fixed[..., 1:] = parts[0].reshape(count, 3, 3)
    means = (fixed.view("<i4")[..., 0] >> 8) / 2.0**bits
    dc = (parts[2].reshape(count, 3) / 255 - 0.5) / SPZ_COLOR_SCALE
    log_scales = parts[3].reshape(count, 3) / 16 - 10
    quats = _first_three(parts[4].reshape(count, 3)) if version == 2 else _smallest_three(parts[4].view("<u4"))
    return _splats(means, quats, log_scales, parts[1] / 255, 0.5 + SH_C0 * dc)


def _first_three(values: np.ndarray) -> np.ndarray:
    """Quaternions wxyz from x y z in bytes; w is not negative."""
    xyz = values / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (xyz**2).sum(axis=1, keepdims=True)))
    return np.concatenate([w, xyz], axis=1)


def _smallest_three(words: np.ndarray) -> np.ndarray:
    """Quaternions wxyz from words: the index of the largest of x y z w, and the others in 10 bits each."""
    largest = (words >> 30).astype(int)
    others = np.stack([(words >> shift) & 1023 for shift in (20, 10, 0)], axis=1).astype(np.int64)
    values = np.where(others >> 9, -1, 1) * (others & 511) / 511 * np.sqrt(0.5)
    xyzw = np.zeros((len(words), 4))
    columns = np.arange(3) + (np.arange(3) >= largest[:, None])
    np.put_along_axis(xyzw, columns, values, axis=1)
    np.put_along_axis(xyzw, largest[:, None], np.sqrt(1 - (values**2).sum(axis=1, keepdims=True)), axis=1)
    return np.roll(xyzw, 1, axis=1)


def _splats(
    means: np.ndarray, quats: np.ndarray, log_scales: np.ndarray, alphas: np.ndarray, rgb: np.ndarray
) -> Splats:
    """Splats with opacities and colors in [0, 1]."""
    alphas = np.clip(alphas, 1e-4, 1 - 1e-4)
    arrays = (means, quats, log_scales, np.log(alphas / (1 - alphas)), ((rgb - 0.5) / SH_C0)[:, None])
    return Splats(*(torch.tensor(np.ascontiguousarray(array), dtype=torch.float32) for array in arrays))
