"""Convert between intrinsic matrices and the four pinhole parameters fx, fy, cx, cy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError


def matrix(parameters: ArrayLike) -> np.ndarray:
    """(..., 3, 3) intrinsics from (..., 4) parameters fx, fy, cx, cy."""
    parameters = np.asarray(parameters, dtype=np.float64)
    K = np.zeros((*parameters.shape[:-1], 3, 3))
    K[..., 0, 0], K[..., 1, 1], K[..., 0, 2], K[..., 1, 2] = np.moveaxis(parameters, -1, 0)
    K[..., 2, 2] = 1.0
    return K


def parameters(cameras: Cameras) -> np.ndarray:
    """(..., 4) parameters fx, fy, cx, cy of cameras.

    Raises:
        InputError: the pixels are skewed; of the supported formats, only rig.json stores skew.
    """
    skew = np.abs(cameras.K[..., 0, 1]).max(initial=0.0)
    if skew > 0:
        raise InputError(f"The cameras have a skew of {skew:g}; this format stores none, so save them as rig.json.")
    return np.stack([cameras.K[..., 0, 0], cameras.K[..., 1, 1], cameras.K[..., 0, 2], cameras.K[..., 1, 2]], axis=-1)
