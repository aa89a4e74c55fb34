"""Sampling of camera paths: constant speed, easing, and the look-at constraint."""

from __future__ import annotations

import difflib
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from trajectories.errors import InputError
from trajectories.interpolate import spline
from trajectories.rotations import look_at

EASINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda u: u,
    "in": lambda u: u * u,
    "out": lambda u: u * (2 - u),
    "in-out": lambda u: u * u * (3 - 2 * u),
}
# Samples of a path for measuring its arc length; the speed error is then below one millionth.
SAMPLES = 8193


def ease(u: ArrayLike, easing: str) -> np.ndarray:
    """The position along a move, in [0, 1], at the fraction `u` of its duration.

    Args:
        u: (...) fractions of the duration in [0, 1].
        easing: 'linear' (constant speed), 'in' (slow start), 'out' (slow stop), 'in-out' (both).

    Raises:
        InputError: the easing is unknown.
    """
    if easing not in EASINGS:
        near = difflib.get_close_matches(easing, EASINGS, n=1, cutoff=0.0)[0]
        raise InputError(f"There is no easing {easing!r}; did you mean {near!r}? Known: {', '.join(EASINGS)}.")
    return EASINGS[easing](np.asarray(u, dtype=np.float64))


def fractions(frames: int, *, closed: bool = False) -> np.ndarray:
    """(T,) fractions of a move at its frames, from 0 to 1; a closed move stops one frame before it reaches its start.

    A single frame is at the start.
    """
    return np.arange(frames) / max(frames if closed else frames - 1, 1)


def constant_speed(
    path: Callable[[np.ndarray], np.ndarray], frames: int, *, easing: str = "linear", closed: bool = False
) -> np.ndarray:
    """Sample a path evenly by arc length, or with an easing along it.

    The arc length is that of the camera's center. If the center does not move, the rotation angle is used.

    Args:
        path: maps (N,) positions in [0, 1] to (N, 4, 4) poses; any parametrization.
        frames: T, the number of poses; the first and the last are at the ends of the path.
        easing: as in `ease`.
        closed: the path ends at its start, so the last frame stops one step before it.

    Returns:
        (T, 4, 4) poses, each exactly on the path.
    """
    u = np.linspace(0.0, 1.0, SAMPLES)
    c2w = path(u)
    steps = np.linalg.norm(np.diff(c2w[:, :3, 3], axis=0), axis=-1)
    if steps.sum() < 1e-9:
        # For small angles the Frobenius norm of the difference of rotations is sqrt(2) times the angle.
        steps = np.linalg.norm(np.diff(c2w[:, :3, :3], axis=0), axis=(1, 2)) / np.sqrt(2)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    s = ease(fractions(frames, closed=closed), easing)
    if length[-1] < 1e-9:
        return path(s)
    return path(np.interp(s * length[-1], length, u))


def through(c2w_keys: ArrayLike, frames: int, *, easing: str = "linear", closed: bool = False) -> np.ndarray:
    """Sample the smooth path through key poses at constant speed.

    The knots are centripetal (square roots of the distances between keys; Lee 1989), which avoids loops and cusps where
    keys are unevenly spaced.

    Args:
        c2w_keys: (N, 4, 4) key poses.
        frames: T, the number of poses, including the first and the last key.
        easing: as in `ease`.
        closed: return to the first key; the last frame then stops one step before it.

    Returns:
        (T, 4, 4) poses.
    """
    keys = np.asarray(c2w_keys, dtype=np.float64)
    knots = None
    if keys.ndim == 3 and len(keys) > 1:
        ring = np.concatenate([keys, keys[:1]]) if closed else keys
        gaps = np.sqrt(np.linalg.norm(np.diff(ring[:, :3, 3], axis=0), axis=-1))
        # A step between keys at the same position gets the average duration.
        gaps[gaps == 0] = gaps[gaps > 0].mean() if (gaps > 0).any() else 1.0
        knots = np.concatenate([[0.0], np.cumsum(gaps)])
        knots /= knots[-1]
    return constant_speed(lambda u: spline(keys, u, knots=knots, closed=closed), frames, easing=easing, closed=closed)


def aim(c2w: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> np.ndarray:
    """Rotate each camera in place to look at `target` (a look-at constraint).

    Args:
        c2w: (..., 4, 4) poses.
        target: (3,) one point, or (..., 3) one for each pose (a moving subject).
        up: as in `look_at`.
    """
    return look_at(np.asarray(c2w, dtype=np.float64)[..., :3, 3], target, up)
