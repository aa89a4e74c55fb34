"""Pose interpolation: the geodesic between two poses, and a smooth spline through many."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from trajectories.errors import InputError
from trajectories.rotations import rigid

# End effects of a cubic spline decay by 2 - sqrt(3) = 0.27 per key, so this padding leaves less than 1e-12.
PADDING = 21


def geodesic(c2w_a: ArrayLike, c2w_b: ArrayLike, u: ArrayLike) -> np.ndarray:
    """Interpolate from `c2w_a` to `c2w_b`: centers linearly, rotations by slerp.

    The three arguments broadcast. Rotations turn about one axis at a constant rate (Shoemake 1985), as in scipy's
    `Slerp`, which takes a single pair.

    Args:
        c2w_a: (..., 4, 4) poses at u = 0.
        c2w_b: (..., 4, 4) poses at u = 1.
        u: (...) interpolation parameters; values outside [0, 1] extrapolate.

    Returns:
        (..., 4, 4) poses.
    """
    a, b, u = np.asarray(c2w_a, np.float64), np.asarray(c2w_b, np.float64), np.asarray(u, np.float64)
    shape = np.broadcast_shapes(a.shape[:-2], b.shape[:-2], u.shape)
    a, b = (np.broadcast_to(m, (*shape, 4, 4)).reshape(-1, 4, 4) for m in (a, b))
    u = np.broadcast_to(u, shape).reshape(-1, 1)
    start = Rotation.from_matrix(a[:, :3, :3])
    turn = (start.inv() * Rotation.from_matrix(b[:, :3, :3])).as_rotvec()
    R = (start * Rotation.from_rotvec(u * turn)).as_matrix()
    return rigid(R, (1 - u) * a[:, :3, 3] + u * b[:, :3, 3]).reshape(*shape, 4, 4)


def spline(c2w_keys: ArrayLike, u: ArrayLike, *, knots: ArrayLike | None = None, closed: bool = False) -> np.ndarray:
    """Poses on a smooth path through key poses: centers and rotations are both twice continuously differentiable.

    Centers follow a cubic spline, rotations scipy's `RotationSpline`. Two keys give the geodesic; one key gives a
    constant pose.

    Args:
        c2w_keys: (N, 4, 4) key poses; successive keys turn by less than 180 degrees.
        u: (...) positions in [0, 1].
        knots: the positions of the keys, increasing from 0 to 1; N of them, or N + 1 for a closed path, whose last knot
            is the first key again. By default, the keys are evenly spaced.
        closed: continue from the last key to the first with the same smoothness.

    Returns:
        (..., 4, 4) poses.

    Raises:
        InputError: there are no keys, or the knots do not fit them.
    """
    keys, u = np.asarray(c2w_keys, dtype=np.float64), np.asarray(u, dtype=np.float64)
    if keys.ndim != 3 or keys.shape[1:] != (4, 4) or len(keys) == 0:
        raise InputError(f"The key poses have shape {keys.shape}; give at least one as (N, 4, 4).")
    if len(keys) == 1:
        return np.broadcast_to(keys[0], (*u.shape, 4, 4)).copy()
    if closed:
        keys = np.concatenate([keys, keys[:1]])
    t = np.linspace(0.0, 1.0, len(keys)) if knots is None else np.asarray(knots, dtype=np.float64)
    if t.shape != (len(keys),) or t[0] != 0.0 or t[-1] != 1.0 or not (np.diff(t) > 0).all():
        raise InputError(f"The knots must be {len(keys)} increasing numbers from 0 to 1; these are {t.tolist()}.")
    flat = u.reshape(-1)
    centers = CubicSpline(t, keys[:, :3, 3], bc_type="periodic" if closed else "not-a-knot")(flat)
    R = keys[:, :3, :3]
    if closed:
        # RotationSpline has no periodic boundary condition, so pad with whole periods on either side.
        periods = -(-PADDING // (len(keys) - 1))
        t = np.concatenate([t[:-1] + k for k in range(-periods, periods + 1)] + [[periods + 1.0]])
        R = np.concatenate([R[:-1]] * (2 * periods + 1) + [R[:1]])
    rotations = RotationSpline(t, Rotation.from_matrix(R))(flat)
    return rigid(rotations.as_matrix(), centers).reshape(*u.shape, 4, 4)
