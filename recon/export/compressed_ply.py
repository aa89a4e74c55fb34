"""Export splats as PlayCanvas' compressed PLY, which SuperSplat reads and writes.

A splat takes 16 bytes, and one byte per higher spherical harmonic coefficient. The layout is that of
playcanvas/splat-transform (its compressed chunks): chunks of 256 splats, each with the range of its positions, log
scales and colors. A splat is four 32-bit words of fractions of these ranges: position and scale in 11, 10 and 11 bits,
color and opacity in 8 bits each, and a quaternion as its three smallest components in 10 bits each.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from recon.splats import SH_C0, Splats
from trajectories.files import write_bytes

CHUNK = 256
MAX_LOG_SCALE = 20.0


def write_compressed_ply(splats: Splats, path: Path | str) -> None:
    """Write splats in Morton order; an existing file is replaced.

    Harmonics above degree 0 are quantized in steps of 1/32 and clipped to [-4, 4].
    """
    from plyfile import PlyData, PlyElement

    splats = splats.map(lambda tensor: tensor.detach().cpu())
    splats = splats.map(lambda tensor: tensor[morton_order(splats.means.numpy())])
    position, position_range = _fractions(splats.means.numpy())
    scale, scale_range = _fractions(splats.log_scales.clamp(-MAX_LOG_SCALE, MAX_LOG_SCALE).numpy())
    color, color_range = _fractions(0.5 + SH_C0 * splats.sh[:, 0].numpy())
    opacity = splats.logit_opacities.sigmoid().numpy()
    words = {
        "packed_position": _pack(position, (11, 10, 11)),
        "packed_rotation": _pack_rotations(splats.quats.double().numpy()),
        "packed_scale": _pack(scale, (11, 10, 11)),
        "packed_color": _pack(np.concatenate([color, opacity[:, None]], axis=1), (8, 8, 8, 8)),
    }
    ends = ("min_x", "min_y", "min_z", "max_x", "max_y", "max_z")
    names = [*ends, *(end.replace("_", "_scale_") for end in ends)]
    names += ["min_r", "min_g", "min_b", "max_r", "max_g", "max_b"]
    columns = np.concatenate([position_range, scale_range, color_range], axis=1).T
    elements = [
        PlyElement.describe(_table(dict(zip(names, columns)), "<f4"), "chunk"),
        PlyElement.describe(_table(words, "<u4"), "vertex"),
    ]
    rest = splats.sh[:, 1:].transpose(1, 2).flatten(1).numpy()
    if rest.shape[1]:
        steps = np.clip(np.trunc((rest / 8 + 0.5) * 256), 0, 255)
        elements.append(PlyElement.describe(_table({f"f_rest_{i}": s for i, s in enumerate(steps.T)}, "u1"), "sh"))
    file = io.BytesIO()
    PlyData(elements, byte_order="<").write(file)
    write_bytes(path, file.getvalue())


def morton_order(positions: np.ndarray) -> np.ndarray:
    """(N,) indices that sort positions (N, 3) along a Morton curve, so that nearby rows are nearby in space."""
    low, high = positions.min(axis=0, initial=np.inf), positions.max(axis=0, initial=-np.inf)
    cells = ((positions - low) / np.maximum(high - low, 1e-30) * 1023).astype(np.uint32)
    code = np.zeros(len(positions), dtype=np.uint32)
    for bit in range(10):
        for axis in range(3):
            code |= ((cells[:, axis] >> bit) & 1) << (3 * bit + axis)
    return np.argsort(code, kind="stable")


def _fractions(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 3) values scaled to [0, 1] by the range of their chunk, and (chunks, 6) the ranges (minimum, maximum)."""
    N = len(values)
    chunks = -(-N // CHUNK)
    # The last chunk is padded with copies of the last splat, which do not change its range.
    filled = values[np.minimum(np.arange(chunks * CHUNK), N - 1)].reshape(chunks, CHUNK, 3).astype(np.float32)
    low, high = filled.min(axis=1), filled.max(axis=1)
    places = (filled - low[:, None]) / np.maximum(high - low, 1e-30)[:, None]
    return places.reshape(-1, 3)[:N], np.concatenate([low, high], axis=1)


def _pack(values: np.ndarray, bits: tuple[int, ...]) -> np.ndarray:
    """(N,) words of values (N, len(bits)) in [0, 1]; the first column takes the highest bits."""
    word = np.zeros(len(values), dtype=np.uint32)
    for column, count in zip(values.T, bits):
        most = (1 << count) - 1
        word = (word << np.uint32(count)) | np.floor(np.clip(column, 0, 1) * most + 0.5).astype(np.uint32)
    return word


def _pack_rotations(quats: np.ndarray) -> np.ndarray:
    """(N,) words of quaternions (N, 4) wxyz: the index of the largest component, and the three others."""
    largest = np.abs(quats).argmax(axis=1)
    row = np.arange(len(quats))
    quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    quats = quats * np.where(quats[row, largest] < 0, -1, 1)[:, None]
    others = np.arange(3) + (np.arange(3) >= largest[:, None])
    three = np.take_along_axis(quats, others, axis=1) * np.sqrt(0.5) + 0.5
    return (largest.astype(np.uint32) << np.uint32(30)) | _pack(three, (10, 10, 10))


def _table(columns: dict[str, np.ndarray], kind: str) -> np.ndarray:
    rows = len(next(iter(columns.values())))
    table = np.empty(rows, dtype=[(name, kind) for name in columns])
    for name, values in columns.items():
        table[name] = values
    return table
