"""Camera flights through finished splats: around them, on a spiral, or along one of the scene's cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.splats import MovingSplats, Splats
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.geometry import meeting_point
from trajectories.interpolate import spline
from trajectories.paths import fractions
from trajectories.rig import Rig
from trajectories.rigs import make_rig
from trajectories.rotations import look_at

DEFAULT_FOV = np.radians(50.0)
DEFAULT_ELEVATION = np.radians(20.0)
DEFAULT_AZIMUTH = np.radians(-90.0)
DEFAULT_REACH = 0.25
"""Reach of a spiral without cameras, and the largest one, as a fraction of the distance to the subject."""
SPIRAL_TURNS = 2
VIEWPOINTS, VIEWPOINT_SIZE = 24, (320, 320)
VISIBLE = 0.1
"""Splats above this opacity show where the subject is."""


@dataclass(frozen=True, eq=False)
class Subject:
    """What a flight looks at, and from where: in world meters and radians, z up."""

    target: np.ndarray
    """(3,) the point to look at."""
    distance: float
    """Distance of the camera."""
    azimuth: float
    elevation: float
    reach: float
    """How far a camera may move sideways from there."""
    fov: float
    """Vertical field of view."""


@dataclass(frozen=True, eq=False)
class Flight:
    """One camera for each frame of a film."""

    cameras: Cameras
    """(F,)"""
    times: np.ndarray
    """(F,) seconds, the instant of the scene in each frame."""


def find_subject(splats: Splats | MovingSplats, rig: Rig | None) -> Subject:
    """The point that the cameras look at, seen from the camera nearest to their middle.

    Without cameras, the subject is the median of the visible splats, seen from three times their median distance.
    """
    rest = splats.rest if isinstance(splats, MovingSplats) else splats
    visible = rest.means[rest.opacities >= min(VISIBLE, float(rest.opacities.max()))].detach().cpu().double().numpy()
    middle = np.median(visible, axis=0)
    if rig is None:
        distance = max(3 * float(np.median(np.linalg.norm(visible - middle, axis=1))), 1e-3)
        return Subject(middle, distance, DEFAULT_AZIMUTH, DEFAULT_ELEVATION, DEFAULT_REACH * distance, DEFAULT_FOV)
    cameras = rig.cameras.reshape(-1)
    target = meeting_point(cameras)
    target = middle if target is None else target
    nearest = int(np.linalg.norm(cameras.centers - cameras.centers.mean(axis=0), axis=1).argmin())
    x, y, z = cameras.centers[nearest] - target
    distance = max(float(np.linalg.norm([x, y, z])), 1e-3)
    sideways = np.linalg.norm(cameras.centers - cameras.centers[nearest], axis=1)
    reach = min(0.5 * float(np.quantile(sideways, 0.9)) or np.inf, DEFAULT_REACH * distance)
    fov = float(cameras.vertical_fov[nearest])
    return Subject(target, distance, float(np.arctan2(y, x)), float(np.arcsin(z / distance)), reach, fov)


def orbit(subject: Subject, frames: int, width: int, height: int) -> Cameras:
    """(F,) cameras once around the subject at one height; the last frame is one step before the first."""
    cameras = make_rig(
        "orbit",
        1,
        frames + 1,
        sweep=2 * np.pi,
        target=tuple(subject.target),
        radius=subject.distance,
        elevation=subject.elevation,
        azimuth=subject.azimuth,
        fov=subject.fov,
        width=width,
        height=height,
    ).cameras
    return cameras[0, :-1]


def spiral(subject: Subject, frames: int, width: int, height: int) -> Cameras:
    """(F,) cameras that spiral out and back in two turns, looking at the subject; a closed path."""
    start = make_rig(
        "static",
        1,
        1,
        target=tuple(subject.target),
        radius=subject.distance,
        elevation=subject.elevation,
        azimuth=subject.azimuth,
    ).cameras[0, 0]
    u = fractions(frames, closed=True)
    radius, angle = subject.reach * np.sin(np.pi * u), 2 * np.pi * SPIRAL_TURNS * u
    offsets = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(frames)], axis=1) @ start.R.T
    c2w = look_at(start.centers + offsets, subject.target)
    return Cameras(c2w, intrinsics_from_fov(subject.fov, width, height), width, height)


def along(rig: Rig, name: str, frames: int, width: int, height: int) -> Cameras:
    """(F,) cameras on the smooth path of one of the rig's cameras, with its timing and its vertical field of view.

    Raises:
        InputError: the rig has no camera of this name.
    """
    cameras = reframed(rig.subset([name]).cameras[0], width, height)
    if rig.frames == 1:
        return cameras[[0] * frames]
    knots = (rig.times - rig.times[0]) / (rig.times[-1] - rig.times[0])
    u = fractions(frames)
    K = np.stack([np.interp(u, knots, column) for column in cameras.K.reshape(-1, 9).T], axis=1).reshape(-1, 3, 3)
    return Cameras(spline(cameras.c2w, u, knots=knots), K, width, height)


def viewpoints(splats: Splats | MovingSplats, rig: Rig | None, count: int = VIEWPOINTS) -> Flight:
    """Evenly spaced frames of the rig, at most `count`; without a rig, as many on an orbit, at several instants."""
    if rig is not None:
        n = np.unique(np.linspace(0, rig.cameras.size - 1, count).round().astype(int))
        return Flight(rig.cameras.reshape(-1)[n], np.tile(rig.times, rig.views)[n])
    return plan_flight(splats, None, "orbit", seconds=count, fps=1.0, size=VIEWPOINT_SIZE)


def reframed(cameras: Cameras, width: int, height: int) -> Cameras:
    """The same cameras with images of another size: the vertical field of view stays, the sides are cut or extended."""
    scale = height / cameras.height
    K = cameras.K * np.array([[scale], [scale], [1.0]])
    K[..., 0, 2] += (width - scale * cameras.width) / 2
    return Cameras(cameras.c2w, K, width, height)


def plan_flight(
    splats: Splats | MovingSplats, rig: Rig | None, path: str, *, seconds: float, fps: float, size: tuple[int, int]
) -> Flight:
    """The cameras and instants of a film.

    Along a camera of the rig, the scene plays once, in step with the camera. On an orbit or a spiral, it plays forward
    and back, close to its own speed, so that the film can loop.

    Args:
        splats: what is filmed.
        rig: the cameras of the scene, if known.
        path: 'orbit', 'spiral', or the name of one of the rig's cameras.
        seconds: length of the film.
        fps: frames per second.
        size: width and height in pixels.

    Raises:
        InputError: an unknown path, or a length, rate or size that is not positive.
    """
    for name, value in (("seconds", seconds), ("fps", fps), ("width", size[0]), ("height", size[1])):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"The film's {name} is {value:g}; give a number above 0.")
    frames = max(round(seconds * fps), 1)
    start, end = (splats.start, splats.end) if isinstance(splats, MovingSplats) else (0.0, 0.0)
    if path in ("orbit", "spiral"):
        cameras = (orbit if path == "orbit" else spiral)(find_subject(splats, rig), frames, *size)
        rounds = max(round(seconds / max(2 * (end - start), 1e-9)), 1) if end > start else 1
        phase = rounds * fractions(frames, closed=True) % 1
        return Flight(cameras, start + (end - start) * (1 - np.abs(1 - 2 * phase)))
    if rig is None or path not in rig.names:
        names = ["orbit", "spiral", *(rig.names if rig is not None else ())]
        raise InputError(f"There is no path {path!r}; the paths are {', '.join(names)}.")
    if rig.frames > 1:
        return Flight(along(rig, path, frames, *size), rig.times[0] + fractions(frames) * np.ptp(rig.times))
    return Flight(along(rig, path, frames, *size), start + fractions(frames) * (end - start))
