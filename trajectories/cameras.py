"""Batches of pinhole cameras."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trajectories.errors import InputError

ROTATION_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Cameras:
    """A batch of pinhole cameras of any shape that share one image size.

    Poses are camera-to-world in OpenCV axes (x right, y down, z forward); the world is z up, in meters. Pixel centers
    are at +0.5. The arrays are read-only float64 copies.

    Raises:
        InputError: a pose is not a finite rigid motion, or intrinsics are not a finite pinhole matrix.
    """

    c2w: np.ndarray
    """(..., 4, 4) camera-to-world poses."""
    K: np.ndarray
    """(..., 3, 3) intrinsics in pixels; broadcast to the shape of `c2w`."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""

    def __post_init__(self) -> None:
        c2w = np.array(self.c2w, dtype=np.float64)
        if c2w.shape[-2:] != (4, 4):
            raise InputError(f"c2w has shape {c2w.shape}; give (..., 4, 4) matrices.")
        K = np.asarray(self.K, dtype=np.float64)
        if K.shape[-2:] != (3, 3):
            raise InputError(f"K has shape {K.shape}; give (..., 3, 3) matrices.")
        K = np.array(np.broadcast_to(K, (*c2w.shape[:-2], 3, 3)))
        if int(self.width) < 1 or int(self.height) < 1:
            raise InputError(f"The image size is {self.width}x{self.height}; both must be at least 1.")
        _check_poses(c2w)
        _check_intrinsics(K)
        c2w.flags.writeable = K.flags.writeable = False
        for name, value in (("c2w", c2w), ("K", K), ("width", int(self.width)), ("height", int(self.height))):
            object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"Cameras(shape={self.shape}, {self.width}x{self.height})"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the batch; () for one camera."""
        return self.c2w.shape[:-2]

    @property
    def size(self) -> int:
        """The number of cameras."""
        return int(np.prod(self.shape))

    @property
    def R(self) -> np.ndarray:
        """(..., 3, 3) camera-to-world rotations."""
        return self.c2w[..., :3, :3]

    @property
    def centers(self) -> np.ndarray:
        """(..., 3) camera centers in the world."""
        return self.c2w[..., :3, 3]

    @property
    def forward(self) -> np.ndarray:
        """(..., 3) unit viewing directions in the world."""
        return self.c2w[..., :3, 2]

    @property
    def viewmats(self) -> np.ndarray:
        """(..., 4, 4) world-to-camera matrices; gsplat uses the same name."""
        R_T = np.swapaxes(self.R, -1, -2)
        w2c = np.zeros_like(self.c2w)
        w2c[..., :3, :3] = R_T
        w2c[..., :3, 3] = -(R_T @ self.centers[..., None])[..., 0]
        w2c[..., 3, 3] = 1.0
        return w2c

    @property
    def horizontal_fov(self) -> np.ndarray:
        """(...) horizontal fields of view in radians; assumes a centered principal point."""
        return 2 * np.arctan(self.width / 2 / self.K[..., 0, 0])

    @property
    def vertical_fov(self) -> np.ndarray:
        """(...) vertical fields of view in radians; assumes a centered principal point."""
        return 2 * np.arctan(self.height / 2 / self.K[..., 1, 1])

    def __getitem__(self, index) -> Cameras:
        """Index the batch dimensions as in numpy."""
        indexed = np.empty(self.shape, dtype=bool)[index]
        if not isinstance(indexed, np.ndarray) and not np.isscalar(indexed):
            raise IndexError(f"Too many indices for cameras of shape {self.shape}.")
        return Cameras(self.c2w[index], self.K[index], self.width, self.height)

    def reshape(self, *shape: int) -> Cameras:
        """The same cameras in another batch shape; one entry may be -1."""
        shape = np.empty(self.shape, dtype=bool).reshape(*shape).shape
        return Cameras(self.c2w.reshape(*shape, 4, 4), self.K.reshape(*shape, 3, 3), self.width, self.height)

    def resized(self, width: int, height: int) -> Cameras:
        """The same views at another image size; scales the intrinsics per axis (a stretch, not a crop)."""
        K = self.K * np.array([[width / self.width], [height / self.height], [1.0]])
        return Cameras(self.c2w, K, width, height)

    def transformed(self, world: np.ndarray) -> Cameras:
        """The cameras after the rigid motion `world` (4, 4) is applied to the whole scene."""
        return Cameras(np.asarray(world, dtype=np.float64) @ self.c2w, self.K, self.width, self.height)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project world points (..., N, 3) to pixels.

        Returns:
            (..., N, 2) pixel positions and (..., N) z-depths in meters; points with depth <= 0 are not in front.
        """
        w2c = self.viewmats
        local = np.asarray(points) @ np.swapaxes(w2c[..., :3, :3], -1, -2) + w2c[..., None, :3, 3]
        image = local @ np.swapaxes(self.K, -1, -2)
        with np.errstate(divide="ignore", invalid="ignore"):
            return image[..., :2] / image[..., 2:], local[..., 2]

    def contains(self, pixels: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """(..., N) bool: which projections from `project` are in front of the camera and inside the image.

        Args:
            pixels: (..., N, 2) pixel positions; the left and top edges are inside the image.
            depths: (..., N) z-depths.
        """
        return (depths > 0) & (pixels >= 0).all(axis=-1) & (pixels < (self.width, self.height)).all(axis=-1)

    def sees(self, points: np.ndarray) -> np.ndarray:
        """(..., N) bool: which world points (..., N, 3) are in front of the camera and inside the image."""
        return self.contains(*self.project(points))

    def rays(self, pixels: np.ndarray, *, unit: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """The world rays through pixels (..., N, 2).

        Args:
            pixels: pixel positions; shape (N, 2) applies to every camera.
            unit: normalize the directions to unit length. By default, origin + z * direction is at z-depth z.

        Returns:
            (..., N, 3) origins (read-only) and (..., N, 3) directions.
        """
        pixels = np.asarray(pixels, dtype=np.float64)
        local = np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)
        local = local @ np.swapaxes(np.linalg.inv(self.K), -1, -2)
        if unit:
            local = local / np.linalg.norm(local, axis=-1, keepdims=True)
        directions = local @ np.swapaxes(self.R, -1, -2)
        return np.broadcast_to(self.centers[..., None, :], directions.shape), directions


def intrinsics_from_fov(fov: float, width: int, height: int) -> np.ndarray:
    """(3, 3) intrinsics with square pixels and a centered principal point.

    Args:
        fov: vertical field of view in radians, in (0, pi).
    """
    if not 0.0 < fov < np.pi:
        raise InputError(f"The field of view is {np.degrees(fov):g} degrees; give one between 0 and 180.")
    focal = height / 2 / np.tan(fov / 2)
    return np.array([[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]])


def _check_poses(c2w: np.ndarray) -> None:
    flat = c2w.reshape(-1, 4, 4)
    finite = np.isfinite(flat).all(axis=(1, 2))
    R = np.where(finite[:, None, None], flat[:, :3, :3], np.eye(3))
    orthonormal = np.abs(np.swapaxes(R, 1, 2) @ R - np.eye(3)).max(axis=(1, 2), initial=0.0) < ROTATION_TOLERANCE
    rigid = orthonormal & (np.linalg.det(R) > 0) & (flat[:, 3] == (0.0, 0.0, 0.0, 1.0)).all(axis=1)
    for good, fault in ((finite, "has a value that is not finite"), (rigid, "is not a rotation and a translation")):
        if not good.all():
            pose = "The pose"
            if c2w.ndim > 2:
                index = np.unravel_index(int(np.argmin(good)), c2w.shape[:-2])
                pose = f"The pose of camera {tuple(int(i) for i in index)}"
            raise InputError(f"{pose} {fault}; c2w must hold a 3x3 rotation (det +1), a center, and a row 0 0 0 1.")


def _check_intrinsics(K: np.ndarray) -> None:
    flat = K.reshape(-1, 3, 3)
    good = np.isfinite(flat).all(axis=(1, 2)) & (flat[:, 0, 0] > 0) & (flat[:, 1, 1] > 0)
    good &= (flat[:, 2] == (0.0, 0.0, 1.0)).all(axis=1) & (flat[:, 1, 0] == 0.0)
    if not good.all():
        values = flat[int(np.argmin(good))].tolist()
        raise InputError(
            f"The intrinsics {values} are not a pinhole K in pixels; fx and fy must be finite and positive."
        )
