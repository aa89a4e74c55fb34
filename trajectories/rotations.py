"""Look-at poses, rigid motions and their inverses, and the nearest rotation."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trajectories.errors import InputError

# Below this sine of the angle between view and up, the up direction does not define the image's right.
PARALLEL = 1e-6


def look_at(position: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> np.ndarray:
    """Poses at `position` that look at `target` with a level horizon.

    The three arguments broadcast. A camera that looks along `up` has no level horizon; the top of its image then points
    along the world axis farthest from `up` (y for z up).

    Args:
        position: (..., 3) camera centers in meters.
        target: (..., 3) points to look at.
        up: (..., 3) directions toward the top of the image; any nonzero length.

    Returns:
        (..., 4, 4) camera-to-world poses, OpenCV axes (x right, y down, z forward).

    Raises:
        InputError: a camera is at its target, or an `up` has length zero.
    """
    position, target, up = np.broadcast_arrays(
        np.asarray(position, np.float64), np.asarray(target, np.float64), np.asarray(up, np.float64)
    )
    distance = np.linalg.norm(target - position, axis=-1, keepdims=True)
    if not (distance > 0).all():
        raise InputError("A camera is at the point that it should look at; move the camera or the target.")
    length = np.linalg.norm(up, axis=-1, keepdims=True)
    if not (length > 0).all():
        raise InputError("The up direction has length 0; give a direction such as (0, 0, 1).")
    upward = up / length
    z = (target - position) / distance
    # Ties go to the later axis, so that the fallback for z up is y.
    fallback = np.eye(3)[2 - np.argmin(np.abs(upward)[..., ::-1], axis=-1)]
    parallel = np.linalg.norm(np.cross(z, upward), axis=-1, keepdims=True) < PARALLEL
    y = _unit(np.cross(z, _unit(np.cross(z, np.where(parallel, fallback, upward)))))
    return rigid(np.stack([np.cross(y, z), y, z], axis=-1), position)


def rigid(R: ArrayLike, translation: ArrayLike) -> np.ndarray:
    """(..., 4, 4) rigid motions from rotations (..., 3, 3) and translations (..., 3)."""
    R, translation = np.asarray(R, dtype=np.float64), np.asarray(translation, dtype=np.float64)
    shape = np.broadcast_shapes(R.shape[:-2], translation.shape[:-1])
    motion = np.zeros((*shape, 4, 4))
    motion[..., :3, :3] = R
    motion[..., :3, 3] = translation
    motion[..., 3, 3] = 1.0
    return motion


def inverse(motion: ArrayLike) -> np.ndarray:
    """(..., 4, 4) inverses of rigid motions (..., 4, 4), by transposition."""
    motion = np.asarray(motion, dtype=np.float64)
    R_T = np.swapaxes(motion[..., :3, :3], -1, -2)
    return rigid(R_T, -(R_T @ motion[..., :3, 3, None])[..., 0])


def nearest_rotation(M: ArrayLike) -> np.ndarray:
    """(..., 3, 3) rotations nearest to matrices with a positive determinant, in the Frobenius norm (Kabsch 1976)."""
    U, _, Vt = np.linalg.svd(np.asarray(M, dtype=np.float64))
    return U @ Vt


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)
