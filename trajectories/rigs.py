"""Ready-made rigs: several cameras around one subject.

Every rig is a function of the number of videos and frames, its own options, and those of `Framing`. The last frame lies
at the end of the move; a single frame lies at its start.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.interpolate import geodesic
from trajectories.paths import aim, ease, fractions
from trajectories.rig import Rig
from trajectories.rotations import look_at

GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
# No rig lowers a camera below this height in meters above the ground z = 0.
FLOOR = 0.2


@dataclass(frozen=True, kw_only=True)
class Framing:
    """Where a rig's subject is, how far the cameras stand, and what lens and clock they share."""

    target: tuple[float, float, float] = (0.0, 0.0, 0.6)
    """The point that every camera looks at, in meters."""
    radius: float = 4.5
    """Distance of the cameras from the target in meters."""
    elevation: float = np.radians(20.0)
    """Angle of the cameras above the horizon, seen from the target, in radians."""
    azimuth: float = np.radians(-90.0)
    """Direction from the target to the first camera, in radians from +x towards +y; -90 degrees looks along +y."""
    fov: float = np.radians(50.0)
    """Vertical field of view in radians."""
    width: int = 128
    """Image width in pixels."""
    height: int = 128
    """Image height in pixels."""
    fps: float = 8.0
    """Frames per second."""

    def __post_init__(self) -> None:
        for field in ("radius", "fps"):
            value = getattr(self, field)
            if not (np.isfinite(value) and value > 0):
                raise InputError(f"The rig's {field} is {value:g}; give a number above 0.")
        if np.shape(self.target) != (3,) or not np.isfinite(self.target).all():
            raise InputError(f"The rig's target is {self.target}; give three numbers x, y, z in meters.")

    def on_sphere(self, azimuth: np.ndarray | float, elevation: np.ndarray | float) -> np.ndarray:
        """(..., 3) points at the radius from the target, in the directions of broadcast angles in radians."""
        azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
        level = np.cos(elevation)
        direction = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], axis=-1)
        return np.asarray(self.target) + self.radius * direction

    def rig(self, c2w: np.ndarray) -> Rig:
        """The rig of poses (V, T, 4, 4)."""
        K = intrinsics_from_fov(self.fov, self.width, self.height)
        return _named(Cameras(c2w, K, self.width, self.height), self.fps)


def circle(views: int, frames: int, *, spread: float = 0.5, easing: str = "linear", **framing: Any) -> Rig:
    """All videos start at one camera, and each moves off in its own direction, looking at the subject.

    The directions are spread evenly over a full turn in the plane of the first image: the paper's directions around one
    3D point (Kuang et al., Collaborative Video Diffusion, 2024), with the look-at held in every frame. An end that
    would lie below `FLOOR` is raised to it.

    Args:
        views: V, the number of videos.
        frames: T, the frames of each.
        spread: how far each camera has moved at the end, in radii.
        easing: as in `paths.ease`.
        **framing: the fields of `Framing`.
    """
    return _fan(views, frames, 2 * np.pi * np.arange(views) / max(views, 1), spread, easing, Framing(**framing))


def upper_hemi(views: int, frames: int, *, spread: float = 0.5, easing: str = "linear", **framing: Any) -> Rig:
    """All videos start at one camera, and each moves off to a side or upwards, never down, looking at the subject.

    The directions are spread over the upper half turn, from left to right; a single video rises. The options are those
    of `circle`.
    """
    # Image y points down, so angles between pi and 2 pi rise.
    angles = np.linspace(np.pi, 2 * np.pi, views) if views > 1 else np.full(max(views, 0), 1.5 * np.pi)
    return _fan(views, frames, angles, spread, easing, Framing(**framing))


def orbit(views: int, frames: int, *, sweep: float | None = None, easing: str = "linear", **framing: Any) -> Rig:
    """Every video travels its own arc around the subject, so that together they go all the way round.

    Args:
        views: V, the number of videos; their starts are spread evenly over the circle.
        frames: T, the frames of each.
        sweep: the angle of each arc in radians, counterclockwise seen from above; without it 360/V degrees, at most 90.
        easing: as in `paths.ease`.
        **framing: the fields of `Framing`.
    """
    _check_counts(views, frames)
    frame = Framing(**framing)
    arc = min(2 * np.pi / views, np.pi / 2) if sweep is None else sweep
    azimuth = _around(frame, views)[:, None] + arc * ease(fractions(frames), easing)
    return frame.rig(look_at(frame.on_sphere(azimuth, frame.elevation), frame.target))


def dome(views: int, frames: int, *, top: float = np.radians(70.0), easing: str = "linear", **framing: Any) -> Rig:
    """Every video climbs over the subject on its own side, as on the ribs of a dome.

    The sides are a golden angle apart, so any number of videos is spread well. Each camera keeps its azimuth.

    Args:
        views: V, the number of videos.
        frames: T, the frames of each.
        top: the elevation at the end in radians; the start is `elevation`, here 10 degrees unless given.
        easing: as in `paths.ease`.
        **framing: the fields of `Framing`.
    """
    _check_counts(views, frames)
    frame = Framing(**{"elevation": np.radians(10.0), **framing})
    azimuth = frame.azimuth + GOLDEN_ANGLE * np.arange(views)[:, None]
    elevation = frame.elevation + (top - frame.elevation) * ease(fractions(frames), easing)
    return frame.rig(look_at(frame.on_sphere(azimuth, elevation), frame.target))


def interpolate(
    views: int,
    frames: int,
    *,
    first: Cameras | None = None,
    last: Cameras | None = None,
    easing: str = "linear",
    **framing: Any,
) -> Rig:
    """The videos blend smoothly from one camera path to another.

    Video i moves on the path that lies i/(V-1) of the way from `first` to `last`, by the geodesic between their poses
    at the same frame. Without them the paths are two arcs of 60 degrees, a low one and one 30 degrees above it, and
    every camera looks at the subject.

    Args:
        views: V, the number of videos; a single one is `first` itself.
        frames: T, the frames of each.
        first: cameras (T,) of the first video.
        last: cameras (T,) of the last video, with images of the same size.
        easing: as in `paths.ease`; for the two arcs.
        **framing: the fields of `Framing`; with `first` and `last` only `fps` counts.
    """
    _check_counts(views, frames)
    frame = Framing(**framing)
    share = fractions(views)[:, None]
    if first is None and last is None:
        azimuth = frame.azimuth + np.radians(60.0) * (ease(fractions(frames), easing) - 0.5)
        low, high = (look_at(frame.on_sphere(azimuth, frame.elevation + lift), frame.target) for lift in (0, np.pi / 6))
        return frame.rig(aim(geodesic(low, high, share), frame.target))
    if first is None or last is None:
        raise InputError("The rig 'interpolate' was given one path; give both `first` and `last`, or neither.")
    for name, path in (("first", first), ("last", last)):
        if path.shape != (frames,):
            raise InputError(
                f"The path `{name}` has cameras of shape {path.shape}; give one for each of {frames} frames."
            )
    if (first.width, first.height) != (last.width, last.height):
        raise InputError(
            f"The paths have images of {first.width}x{first.height} and {last.width}x{last.height}; resize one of them."
        )
    K = (1 - share[..., None, None]) * first.K + share[..., None, None] * last.K
    return _named(Cameras(geodesic(first.c2w, last.c2w, share), K, first.width, first.height), frame.fps)


def static(views: int, frames: int, **framing: Any) -> Rig:
    """Fixed cameras stand evenly around the subject, and only time moves."""
    _check_counts(views, frames)
    frame = Framing(**framing)
    c2w = look_at(frame.on_sphere(_around(frame, views), frame.elevation), frame.target)
    return frame.rig(np.repeat(c2w[:, None], frames, axis=1))


RIGS: dict[str, Callable[..., Rig]] = {
    "circle": circle,
    "orbit": orbit,
    "upper_hemi": upper_hemi,
    "dome": dome,
    "interpolate": interpolate,
    "static": static,
}


def make_rig(name: str, views: int, frames: int, **options: Any) -> Rig:
    """The rig of that name; the options are those of its function and of `Framing`.

    Raises:
        InputError: an unknown rig or option (the nearest known one is suggested), or an option out of range.
    """
    if name not in RIGS:
        raise InputError(f"There is no rig {name!r}; {_nearest(name, list(RIGS))}")
    own = [p.name for p in inspect.signature(RIGS[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    known = own + [field.name for field in dataclasses.fields(Framing)]
    for option in options:
        if option not in known:
            raise InputError(f"The rig {name!r} has no option {option!r}; {_nearest(option, known)}")
    return RIGS[name](views, frames, **options)


def _fan(views: int, frames: int, angles: np.ndarray, spread: float, easing: str, framing: Framing) -> Rig:
    """Straight paths from one start, at `angles` in its image plane (0 is right, pi/2 is down)."""
    _check_counts(views, frames)
    start = look_at(framing.on_sphere(framing.azimuth, framing.elevation), framing.target)
    directions = np.cos(angles)[:, None] * start[:3, 0] + np.sin(angles)[:, None] * start[:3, 1]
    ends = start[:3, 3] + spread * framing.radius * directions
    # A start below the floor was asked for, so it counts as the floor.
    ends[:, 2] = np.maximum(ends[:, 2], min(FLOOR, start[2, 3]))
    s = ease(fractions(frames), easing)[None, :, None]
    centers = (1 - s) * start[:3, 3] + s * ends[:, None]
    # A path over the zenith would spin a level camera round; there, keep the first camera's own up.
    over_zenith = abs(framing.elevation) + np.arctan(abs(spread)) > np.radians(80.0)
    return framing.rig(look_at(centers, framing.target, -start[:3, 1] if over_zenith else (0.0, 0.0, 1.0)))


def _around(framing: Framing, views: int) -> np.ndarray:
    return framing.azimuth + 2 * np.pi * np.arange(views) / views


def _named(cameras: Cameras, fps: float) -> Rig:
    views, frames = cameras.shape
    return Rig(cameras, np.arange(frames) / fps, tuple(f"cam{i:02d}" for i in range(views)))


def _check_counts(views: int, frames: int) -> None:
    for what, count in (("views", views), ("frames", frames)):
        if count < 1:
            raise InputError(f"The rig has {count} {what}; give at least 1.")


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
    return f"did you mean {near!r}? Known: {', '.join(known)}."
