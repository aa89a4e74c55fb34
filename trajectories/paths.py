"""Moving along a path: constant speed, easing, and looking at a point in every frame."""

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
# Samples of a path whose length is measured; the speed then varies by less than a millionth.
SAMPLES = 8193


def ease(u: ArrayLike, easing: str) -> np.ndarray:
    """Bend time: how far along, in [0, 1], a move is at the fraction `u` of its duration.

    Args:
        u: (...) fractions of the duration in [0, 1].
        easing: 'linear' (one speed), 'in' (starts gently), 'out' (stops gently), 'in-out' (both).

    Raises:
        InputError: another easing.
    """
    if easing not in EASINGS:
        near = difflib.get_close_matches(easing, EASINGS, n=1, cutoff=0.0)[0]
        raise InputError(f"There is no easing {easing!r}; did you mean {near!r}? Known: {', '.join(EASINGS)}.")
    return EASINGS[easing](np.asarray(u, dtype=np.float64))


def fractions(frames: int, *, closed: bool = False) -> np.ndarray:
    """(T,) fractions of a move at its frames, first and last included; a closed move ends one frame before its start.

    One frame alone lies at the start.
    """
    return np.arange(frames) / max(frames if closed else frames - 1, 1)


def constant_speed(
    path: Callable[[np.ndarray], np.ndarray], frames: int, *, easing: str = "linear", closed: bool = False
) -> np.ndarray:
    """Frames spaced evenly by arc length along a path, or eased along it.

    The length is that of the path of the camera's center; where the center rests all along, it is the angle turned.

    Args:
        path: takes (N,) positions in [0, 1], answers (N, 4, 4) poses; any parametrisation.
        frames: how many poses to return; the first and the last lie on the ends of the path.
        easing: as in `ease`.
        closed: the path ends where it starts, so the last frame stops one step short.

    Returns:
        (frames, 4, 4) poses, each exactly on the path.
    """
    u = np.linspace(0.0, 1.0, SAMPLES)
    c2w = path(u)
    steps = np.linalg.norm(np.diff(c2w[:, :3, 3], axis=0), axis=-1)
    if steps.sum() < 1e-9:
        # For small turns the Frobenius norm of the difference of rotations is sqrt(2) times the angle.
        steps = np.linalg.norm(np.diff(c2w[:, :3, :3], axis=0), axis=(1, 2)) / np.sqrt(2)
    length = np.concatenate([[0.0], np.cumsum(steps)])
    s = ease(fractions(frames, closed=closed), easing)
    if length[-1] < 1e-9:
        return path(s)
    return path(np.interp(s * length[-1], length, u))


def through(c2w_keys: ArrayLike, frames: int, *, easing: str = "linear", closed: bool = False) -> np.ndarray:
    """The smooth path through key poses at constant speed.

    The knots are centripetal (square roots of the distances between keys; Lee 1989), which keeps a path from looping or
    pinching where keys lie unevenly.

    Args:
        c2w_keys: (N, 4, 4) key poses.
        frames: how many poses to return, the first and the last key included.
        easing: as in `ease`.
        closed: return to the first key; the last frame then stops one step short of it.

    Returns:
        (frames, 4, 4) poses.
    """
    keys = np.asarray(c2w_keys, dtype=np.float64)
    knots = None
    if keys.ndim == 3 and len(keys) > 1:
        ring = np.concatenate([keys, keys[:1]]) if closed else keys
        gaps = np.sqrt(np.linalg.norm(np.diff(ring[:, :3, 3], axis=0), axis=-1))
        # A key that only turns takes as long as the average step.
        gaps[gaps == 0] = gaps[gaps > 0].mean() if (gaps > 0).any() else 1.0
        knots = np.concatenate([[0.0], np.cumsum(gaps)])
        knots /= knots[-1]
    return constant_speed(lambda u: spline(keys, u, knots=knots, closed=closed), frames, easing=easing, closed=closed)


def aim(c2w: ArrayLike, target: ArrayLike, up: ArrayLike = (0.0, 0.0, 1.0)) -> np.ndarray:
    """The same camera centers, each turned to look at `target`: the look-at constraint, held in every frame.

    Args:
        c2w: (..., 4, 4) poses.
        target: (3,) one point, or (..., 3) one for each pose (a subject that moves).
        up: as in `look_at`.
    """
    return look_at(np.asarray(c2w, dtype=np.float64)[..., :3, 3], target, up)
