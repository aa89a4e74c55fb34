"""Lenses that distort: what they do to a picture, and the pinhole camera that can stand in for them.

The models are OpenCV's: for a perspective lens the rational radial polynomial with two tangential terms
(https://docs.opencv.org/4.x/d9/d0c/group__calib3d.html), for a fisheye a polynomial of the angle to the optical axis
(https://docs.opencv.org/4.x/db/d58/group__calib3d__fisheye.html). Pixel centers lie at +0.5, as everywhere here; OpenCV
counts them from 0, so that its principal points are ours minus 0.5.
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
"""Focal lengths of a pinhole that are tried, from a narrow view to a wide one, in focal lengths of the lens: at half of
it, the middle of the picture is drawn at half its width."""
LARGEST_SCALE = 4.0
"""A pinhole with a narrower view would show next to nothing of the picture."""


@dataclass(frozen=True)
class Lens:
    """The lens of one frame and the size of its picture. Equal lenses are equal keys.

    Raises:
        InputError: a distortion that is not finite, or more terms than the model has.
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
    """Principal point in pixels from the upper edge."""
    distortion: tuple[float, ...] = ()
    """In OpenCV's order: k1 k2 p1 p2 k3 k4 k5 k6, of a fisheye k1 k2 k3 k4; zeros at the end may be left out."""
    fisheye: bool = False
    """Whether the distance in the image grows with the angle to the optical axis, and not with its tangent."""

    def __post_init__(self) -> None:
        terms = FISHEYE_TERMS if self.fisheye else PERSPECTIVE_TERMS
        values = [float(value) for value in self.distortion]
        if len(values) > len(terms) or not np.isfinite(values).all():
            raise InputError(f"The lens distortion {values} is not at most {len(terms)} finite numbers; mend it.")
        while values and values[-1] == 0.0:
            values.pop()
        object.__setattr__(self, "distortion", tuple(values))

    @staticmethod
    def named(width: int, height: int, terms: Mapping[str, float], *, fisheye: bool = False) -> Lens:
        """A lens from terms by name: `fx`, `fy` (or `f` for both), `cx`, `cy`, and those of the distortion."""
        fx, fy = (terms.get(name, terms.get("f", 0.0)) for name in ("fx", "fy"))
        order = FISHEYE_TERMS if fisheye else PERSPECTIVE_TERMS
        distortion = tuple(terms.get(name, 0.0) for name in order)
        return Lens(width, height, fx, fy, terms["cx"], terms["cy"], distortion, fisheye)

    @property
    def is_pinhole(self) -> bool:
        """Whether the picture needs no undistortion."""
        return not self.distortion and not self.fisheye

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.width, self.height

    @property
    def K(self) -> np.ndarray:
        """(3, 3) intrinsics of the lens, which say all of it only where it is a pinhole."""
        return pinhole.matrix([self.fx, self.fy, self.cx, self.cy])

    def project(self, xy: np.ndarray) -> np.ndarray:
        """Where the lens shows directions.

        Args:
            xy: (..., 2) directions as x/z, y/z in the camera's frame.

        Returns:
            (..., 2) pixel positions in the distorted picture.
        """
        x, y = xy[..., 0], xy[..., 1]
        r2 = x * x + y * y
        if self.fisheye:
            k = np.zeros(4)
            k[: len(self.distortion)] = self.distortion
            r = np.sqrt(r2)
            angle = np.arctan(r)
            t2 = angle * angle
            bent = angle * (1 + t2 * (k[0] + t2 * (k[1] + t2 * (k[2] + t2 * k[3]))))
            scale = np.where(r > 1e-12, bent / np.maximum(r, 1e-12), 1.0)
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
        """(3, 3) intrinsics of the pinhole camera with a picture of the same size that shows as much as it can.

        Both focal lengths are those of the lens times one factor, the principal point is kept. The factor is the
        smallest at which every pixel of the pinhole's picture still has one in the lens's, so that nothing is left
        black, but not less than a half, because a very wide fisheye would fill the picture with its rim.

        Raises:
            InputError: a distortion that leaves next to nothing, because it folds the picture over near its middle.
        """
        return self.K if self.is_pinhole else _undistorted_K(self)


def pinhole_cameras(c2w: ArrayLike, lenses: Sequence[Lens], where: Callable[[int], str]) -> Cameras:
    """(N,) pinhole cameras for frames that are going to be undistorted and brought to one size.

    That size is the commonest of the lenses' sizes, the first of those that tie. Where a frame has another size, its
    intrinsics are scaled per axis (a stretch, never a crop).

    Args:
        c2w: (N, 4, 4) poses.
        lenses: N lenses.
        where: names the n-th frame's place in its file, to begin the sentence with.

    Raises:
        InputError: a lens that cannot be undistorted, or what `Cameras` refuses.
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
    coarse = _full_scales(lens, SCALES)
    step = SCALES[0] / SCALES[1]
    # From a step back: a border that turned back between two steps may still be farther out at the second.
    scale = _full_scales(lens, np.geomspace(coarse[-1] * step, coarse[-1] / step, 40))[-1]
    if scale > LARGEST_SCALE:
        raise InputError(
            f"The lens distortion {list(lens.distortion)} cannot be undone, because it folds the picture over; mend "
            "its numbers or undistort the images."
        )
    K = lens.K
    K[[0, 1], [0, 1]] *= max(scale, SCALES[-1])
    K.flags.writeable = False
    return K


def _full_scales(lens: Lens, scales: np.ndarray) -> np.ndarray:
    """The first of falling scales, and those after it up to the last at which the pinhole's picture is full."""
    along = np.linspace(0.0, 1.0, 33)
    edges = [np.stack([along, np.full_like(along, end)], axis=1) for end in (0.0, 1.0)]
    border = 0.5 + np.concatenate([*edges, *(edge[:, ::-1] for edge in edges)]) * [lens.width - 1, lens.height - 1]
    center = np.array([lens.cx, lens.cy])
    seen = lens.project((border - center) / (scales[:, None, None] * [lens.fx, lens.fy]))
    # A quarter of a pixel is left for what lies between the samples of the border.
    full = np.asarray(((seen >= 0.25) & (seen <= np.array(lens.size) - 0.25)).all(axis=-1))
    # As the pinhole's view widens, its border must move outwards in the picture: where it turns back, the lens folds.
    distance = np.linalg.norm(seen - center, axis=-1)
    full[1:] &= distance[1:] >= distance[:-1]
    good = np.asarray(full.all(axis=1))
    return scales if good.all() else scales[: max(int(np.argmin(good)), 1)]
