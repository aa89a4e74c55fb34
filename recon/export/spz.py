"""Export splats in Niantic's SPZ format, version 3 (https://github.com/nianticlabs/spz, "File Format").

The file is a gzip stream of a 16-byte header and the attributes, one after the other: positions in 24-bit fixed point,
opacities, base colors and log scales in 8 bits, rotations in 32 bits, harmonics in 8 bits with the color channel
fastest. A splat takes about 20 bytes. The format's axes are OpenGL's (right, up, back); the caller transforms the
splats to them.
"""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from recon.splats import Splats
from trajectories.errors import InputError
from trajectories.files import write_bytes

MAGIC, VERSION = 0x5053474E, 3
MAX_FRACTIONAL_BITS = 16
COLOR_SCALE = 0.15


def write_spz(splats: Splats, path: Path | str) -> None:
    """Write splats; an existing file is replaced once the new one is complete.

    Positions have as many fractional bits as the farthest splat permits, at most 16. Harmonics above degree 0 are
    clipped to [-1, 1], log scales to [-10, 5.9] in steps of 1/16.

    Raises:
        InputError: a splat is too far from the origin for 24 bits.
    """
    splats = splats.map(lambda tensor: tensor.detach().cpu().double())
    N, farthest = len(splats), float(splats.means.abs().max()) if len(splats) else 0.0
    bits = min(MAX_FRACTIONAL_BITS, 23 - int(np.ceil(np.log2(farthest + 1))))
    if bits < 1:
        raise InputError(f"A splat is {farthest:.3g} from the origin, too far for SPZ; remove it or export ply.")
    fixed = np.round(splats.means.numpy() * 2**bits).astype("<i4")
    body = (
        fixed.view(np.uint8).reshape(N, 3, 4)[..., :3],
        _byte(splats.logit_opacities.sigmoid().numpy() * 255),
        _byte((splats.sh[:, 0].numpy() * COLOR_SCALE + 0.5) * 255),
        _byte((splats.log_scales.numpy() + 10) * 16),
        _smallest_three(splats.quats.numpy()),
        _byte(splats.sh[:, 1:].numpy() * 128 + 128),
    )
    header = struct.pack("<IIIBBBB", MAGIC, VERSION, N, splats.sh_degree, bits, 0, 0)
    # No time stamp, so that the same splats give the same bytes.
    write_bytes(path, gzip.compress(header + b"".join(part.tobytes() for part in body), mtime=0))


def _byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


def _smallest_three(quats: np.ndarray) -> np.ndarray:
    """(N,) words of quaternions (N, 4) wxyz.

    The two highest bits are the index of the largest of x y z w. The other three components follow, each as a sign and
    9 bits of its magnitude in units of sqrt(1/2).
    """
    xyzw = np.roll(quats, -1, axis=1)
    xyzw = xyzw / np.linalg.norm(xyzw, axis=1, keepdims=True)
    row, largest = np.arange(len(xyzw)), np.abs(xyzw).argmax(axis=1)
    xyzw = xyzw * np.where(xyzw[row, largest] < 0, -1, 1)[:, None]
    others = np.arange(3) + (np.arange(3) >= largest[:, None])
    word = largest.astype("<u4")
    for component in np.take_along_axis(xyzw, others, axis=1).T:
        size = np.minimum(np.round(np.abs(component) * np.sqrt(2) * 511), 511).astype("<u4")
        word = (word << np.uint32(10)) | ((component < 0).astype("<u4") << np.uint32(9)) | size
    return word
