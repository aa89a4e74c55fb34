"""Lens distortion models, and the pinhole cameras of undistorted images.

The models are OpenCV's: for a perspective lens the rational radial polynomial with two tangential terms
(https://docs.opencv.org/4.x/d9/d0c/group__calib3d.html), for a fisheye a polynomial of the angle to the optical axis
(https://docs.opencv.org/4.x/db/d58/group__calib3d__fisheye.html). Pixel centers are at +0.5, as in the whole package.
OpenCV's are at whole numbers, so its principal points are these minus 0.5.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.files import cameras_from
from trajectories.formats import pinhole

PERSPECTIVE_TERMS = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
FISHEYE_TERMS = ("k1", "k2", "k3", "k4")
SCALES = np.geomspace(64.0, 0.5, 250)
"""Candidate focal lengths of the pinhole camera, from narrow to wide, as multiples of the lens's focal length. At 0.5
the image center appears at half its width."""
MAX_SCALE = 4.0
"""Largest accepted factor; a narrower view would show almost nothing of the image."""


@dataclass(frozen=True)
class Lens:
    """The lens and the image size of one frame; hashable, and compared by value.

    Raises:
        InputError: a distortion term is not finite, or there are more terms than the model has.
    """

    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    fx: float
    """Focal length along x in pixels."""
    fy: float
    """Focal length along y in pixels."""
    cx: float
    """Principal point in pixels from the left edge."""
    cy: float
    """Principal point in pixels from the top edge."""
    distortion: tuple[float, ...] = ()
    """In OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6, for a fisheye k1 k2 k3 k4; trailing zeros may be omitted."""
    fisheye: bool = False
    """Whether the image radius grows with the angle to the optical axis instead of its tangent."""

    def __post_init__(self) -> None:
        terms = FISHEYE_TERMS if self.fisheye else PERSPECTIVE_TERMS
        values = [float(value) for value in self.distortion]
        if len(values) > len(terms) or not np.isfinite(values).all():
            raise InputError(f"The lens distortion {values} is not at most {len(terms)} finite numbers; fix it.")
        while values and values[-1] == 0.0:
            values.pop()
        object.__setattr__(self, "distortion", tuple(values))

    @staticmethod
    def named(width: int, height: int, terms: Mapping[str, float], *, fisheye: bool = False) -> Lens:
        """A lens from parameters by name: `fx`, `fy` (or `f` for both), `cx`, `cy`, and distortion terms."""
        fx, fy = (terms.get(name, terms.get("f", 0.0)) for name in ("fx", "fy"))
        order = FISHEYE_TERMS if fisheye else PERSPECTIVE_TERMS
        distortion = tuple(terms.get(name, 0.0) for name in order)
        return Lens(width, height, fx, fy, terms["cx"], terms["cy"], distortion, fisheye)

    @property
    def is_pinhole(self) -> bool:
        """Whether the image needs no undistortion."""
        return not self.distortion and not self.fisheye

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def K(self) -> np.ndarray:
        """(3, 3) intrinsics of the lens, without its distortion."""
        return pinhole.matrix([self.fx, self.fy, self.cx, self.cy])

    def project(self, xy: np.ndarray) -> np.ndarray:
        """Project directions to distorted pixels.

        Args:
            xy: (..., 2) directions as x/z, y/z in the camera's frame.

        Returns:
            (..., 2) pixel positions in the distorted image.
        """
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        if self.fisheye:
            k = np.zeros(4)
            k[: len(self.distortion)] = self.distortion
            r = np.sqrt(r2)
            angle = np.arctan(r)
            t2 = angle * angle
            distorted = angle * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))
            scale = np.where(r > 1e-12, distorted / np.maximum(r, 1e-12), 1.0)
            xd, yd = scale * x, scale * y
        else:
            k1, k2, p1, p2, k3, k4, k5, k6 = np.concatenate([self.distortion, np.zeros(8 - len(self.distortion))])
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
                xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
                yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        return np.stack([self.fx * xd + self.cx, self.fy * yd + self.cy], axis=-1)

    @property
    def undistorted_K(self) -> np.ndarray:
        """(3, 3) intrinsics of the widest pinhole camera of the same image size without black pixels.

        The focal lengths are the lens's times one factor; the principal point is the same. The factor is the smallest
        at which every pixel of the pinhole image lies inside the distorted image, but at least 0.5: below that, the
        rim of a very wide fisheye would fill most of the image.

        Raises:
            InputError: the distortion folds the image near its center, so that almost nothing can be undistorted.
        """
        return self.K if self.is_pinhole else _undistorted_K(self)


def pinhole_cameras(c2w: ArrayLike, lenses: Sequence[Lens], where: Callable[[int], str]) -> Cameras:
    """(N,) pinhole cameras for frames that will be undistorted and resized to one size.

    That size is the most common size of the lenses; ties go to the first. The intrinsics of a frame with another size
    are scaled per axis (a stretch, not a crop).

    Args:
        c2w: (N, 4, 4) poses.
        lenses: N lenses.
        where: gives the location of frame n in its file; starts the error message.

    Raises:
        InputError: a lens cannot be undistorted, or as in `Cameras`.
    """
    width, height = Counter(lens.size for lens in lenses).most_common(1)[0][0]
    K = np.empty((len(lenses), 3, 3))
    for n, lens in enumerate(lenses):
        try:
            stretch = np.array([[width / max(lens.width, 1)], [height / max(lens.height, 1)], [1.0]])
            K[n] = lens.undistorted_K * stretch
        except InputError as error:
            raise InputError(f"{where(n)}: {str(error)[0].lower()}{str(error)[1:]}") from None
    return cameras_from(c2w, K, width, height, where)


@functools.lru_cache(maxsize=4096)
def _undistorted_K(lens: Lens) -> np.ndarray:
    if not (lens.fx > 0 and lens.fy > 0):
        raise InputError(f"The focal lengths are {lens.fx:g} and {lens.fy:g}; both must be positive.")
    coarse = _valid_scales(lens, SCALES)
    step = SCALES[0] / SCALES[1]
    # Refine from one step earlier: a border that reversed between two steps may still be farther out at the second.
    scale = _valid_scales(lens, np.geomspace(coarse[-1] * step, coarse[-1] / step, 40))[-1]
    if scale > MAX_SCALE:
        raise InputError(
            f"The lens distortion {list(lens.distortion)} cannot be undone, because it folds the image over; fix its "
            "numbers or undistort the images."
        )
    K = lens.K
    K[[0, 1], [0, 1]] *= max(scale, SCALES[-1])
    K.flags.writeable = False
    return K


def _valid_scales(lens: Lens, scales: np.ndarray) -> np.ndarray:
    """The leading part of descending `scales` at which the pinhole image has no black pixels; at least one."""
    along = np.linspace(0.0, 1.0, 33)
    edges = [np.stack([along, np.full_like(along, end)], axis=1) for end in (0.0, 1.0)]
    border = 0.5 + np.concatenate([*edges, *(edge[:, ::-1] for edge in edges)]) * [lens.width - 1, lens.height - 1]
    center = np.array([lens.cx, lens.cy])
    distorted = lens.project((border - center) / (scales[:, None, None] * [lens.fx, lens.fy]))
    # The margin of a quarter pixel covers the border between its samples.
    inside = np.asarray(((distorted >= 0.25) & (distorted <= np.array(lens.size) - 0.25)).all(axis=-1))
    # As the pinhole's view widens, its border must move outwards in the image; where it moves back, the lens folds.
    distance = np.linalg.norm(distorted - center, axis=-1)
    inside[1:] &= distance[1:] >= distance[:-1]
    valid = np.asarray(inside.all(axis=1))
    return scales if valid.all() else scales[: max(int(np.argmin(valid)), 1)]
