"""Built-in rigs: several cameras around one subject.

Every rig is a function of the number of videos, the number of frames, its own options, and those of `Framing`. The last
frame is at the end of the move; a single frame is at its start.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

import numpy as np

from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.interpolate import geodesic
from trajectories.paths import aim, ease, fractions
from trajectories.rig import Rig
from trajectories.rotations import look_at

if TYPE_CHECKING:
    from typing import Unpack

RigName = Literal["circle", "orbit", "upper_hemi", "dome", "interpolate", "static"]
GOLDEN_ANGLE = np.pi * (3 - np.sqrt(5))
# Lowest height in meters above the ground z = 0 to which a rig moves a camera.
FLOOR = 0.2


@dataclass(frozen=True, kw_only=True)
class Framing:
    """Placement of a rig around its subject, and the intrinsics and frame rate of its cameras."""

    target: tuple[float, float, float] = (0.0, 0.0, 0.6)
    """The point that every camera looks at, in meters."""
    radius: float = 4.5
    """Distance of the cameras from the target in meters."""
    elevation: float = np.radians(20.0)
    """Angle of the cameras above the horizon, seen from the target, in radians."""
    azimuth: float = np.radians(-90.0)
    """Direction from the target to the first camera, in radians from +x to +y; at -90 degrees it looks along +y."""
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
        """(..., 3) points at distance `radius` from the target; the angles are in radians and broadcast."""
        azimuth, elevation = np.broadcast_arrays(azimuth, elevation)
        level = np.cos(elevation)
        direction = np.stack([level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)], axis=-1)
        return np.asarray(self.target) + self.radius * direction

    def rig(self, c2w: np.ndarray) -> Rig:
        """The rig with poses (V, T, 4, 4)."""
        K = intrinsics_from_fov(self.fov, self.width, self.height)
        return _named(Cameras(c2w, K, self.width, self.height), self.fps)


class FramingOptions(TypedDict, total=False):
    """The fields of `Framing` as keyword arguments."""

    target: tuple[float, float, float]
    radius: float
    elevation: float
    azimuth: float
    fov: float
    width: int
    height: int
    fps: float


class RigOptions(FramingOptions, total=False):
    """The keyword arguments of all rigs; each takes its own ones and those of `Framing`."""

    spread: float
    sweep: float | None
    top: float
    easing: str
    first: Cameras | None
    last: Cameras | None


def circle(
    views: int, frames: int, *, spread: float = 0.5, easing: str = "linear", **framing: Unpack[FramingOptions]
) -> Rig:
    """All videos start at one camera and move away in different directions, looking at the subject.

    The directions are spread evenly over a full turn in the plane of the first image. These are the directions around
    one 3D point of Kuang et al. (Collaborative Video Diffusion, 2024), with a look-at constraint in every frame. An end
    point below `FLOOR` is raised to it.

    Args:
        views: V, the number of videos.
        frames: T, the number of frames of each.
        spread: distance of each camera from its start at the end, in radii.
        easing: as in `paths.ease`.
        **framing: the fields of `Framing`.
    """
    return _fan(views, frames, 2 * np.pi * np.arange(views) / max(views, 1), spread, easing, Framing(**framing))


def upper_hemi(
    views: int, frames: int, *, spread: float = 0.5, easing: str = "linear", **framing: Unpack[FramingOptions]
) -> Rig:
    """All videos start at one camera and move away sideways or upwards, never down, looking at the subject.

    The directions are spread over the upper half turn, from left to right; a single video moves up. The options are
    those of `circle`.
    """
    # Image y points down, so angles between pi and 2 pi point up.
    angles = np.linspace(np.pi, 2 * np.pi, views) if views > 1 else np.full(max(views, 0), 1.5 * np.pi)
    return _fan(views, frames, angles, spread, easing, Framing(**framing))


def orbit(
    views: int, frames: int, *, sweep: float | None = None, easing: str = "linear", **framing: Unpack[FramingOptions]
) -> Rig:
    """Each video follows an arc around the subject, and the arcs together cover the full circle.

    Args:
        views: V, the number of videos; their starts are spread evenly over the circle.
        frames: T, the number of frames of each.
        sweep: the angle of each arc in radians, counterclockwise from above; by default 360/V degrees, at most 90.
        easing: as in `paths.ease`.
        **framing: the fields of `Framing`.
    """
    _check_counts(views, frames)
    frame = Framing(**framing)
    arc = min(2 * np.pi / views, np.pi / 2) if sweep is None else sweep
    azimuth = _around(frame, views)[:, None] + arc * ease(fractions(frames), easing)
    return frame.rig(look_at(frame.on_sphere(azimuth, frame.elevation), frame.target))


def dome(
    views: int, frames: int, *, top: float = np.radians(70.0), easing: str = "linear", **framing: Unpack[FramingOptions]
) -> Rig:
    """Each video rises over the subject at a constant azimuth, like the ribs of a dome.

    The azimuths are a golden angle apart, which spreads any number of videos well.

    Args:
        views: V, the number of videos.
        frames: T, the number of frames of each.
        top: the elevation at the end in radians; the start is `elevation`, here 10 degrees by default.
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
    **framing: Unpack[FramingOptions],
) -> Rig:
    """The videos interpolate between two camera paths.

    Video i is the interpolation at i/(V-1) between `first` and `last`, along the geodesic between their poses at the
    same frame. By default, the paths are two arcs of 60 degrees, one 30 degrees above the other, and every camera looks
    at the subject.

    Args:
        views: V, the number of videos; a single video equals `first`.
        frames: T, the number of frames of each.
        first: cameras (T,) of the first video.
        last: cameras (T,) of the last video, with the same image size.
        easing: as in `paths.ease`; applies to the default arcs only.
        **framing: the fields of `Framing`; with `first` and `last`, only `fps` is used.
    """
    _check_counts(views, frames)
    frame = Framing(**framing)
    share = fractions(views)[:, None]
    if first is None and last is None:
        azimuth = frame.azimuth + np.radians(60.0) * (ease(fractions(frames), easing) - 0.5)
        low, high = (look_at(frame.on_sphere(azimuth, frame.elevation + lift), frame.target) for lift in (0, np.pi / 6))
        return frame.rig(aim(geodesic(low, high, share), frame.target))
    if first is None or last is None:
        raise InputError("The rig 'interpolate' has only one path; give both `first` and `last`, or neither.")
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


def static(views: int, frames: int, **framing: Unpack[FramingOptions]) -> Rig:
    """Fixed cameras, spaced evenly around the subject."""
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


def make_rig(name: RigName | str, views: int, frames: int, **options: Unpack[RigOptions]) -> Rig:
    """The built-in rig `name`; the options are those of its function and of `Framing`.

    Raises:
        InputError: the rig or an option is unknown (the message suggests the nearest name), or an option is out of
            range.
    """
    if name not in RIGS:
        raise InputError(f"There is no rig {name!r}; {_nearest(name, list(RIGS))}")
    parameters = inspect.signature(RIGS[name]).parameters.values()
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    known += [field.name for field in dataclasses.fields(Framing)]
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
    # If the requested start is below the floor, its height is the floor.
    ends[:, 2] = np.maximum(ends[:, 2], min(FLOOR, start[2, 3]))
    s = ease(fractions(frames), easing)[None, :, None]
    centers = (1 - s) * start[:3, 3] + s * ends[:, None]
    # A level camera would flip on a path over the zenith; such paths use the up direction of the first camera.
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
