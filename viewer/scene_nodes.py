"""Viser scene nodes for cameras and their paths, points and the ground grid."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import viser
from viser.transforms import SO3

from trajectories.rig import Rig

Frames = Callable[[int, int], "np.ndarray | None"]
"""Maps view v and frame t to an image (H, W, 3), float in [0, 1] or uint8, or to None if there is none."""

SPLATS, POINTS, CAMERAS, PATHS, GROUND = "/splats", "/points", "/cameras", "/paths", "/ground"
"""Frames whose visibility is that of everything below."""

THUMBNAIL = 384
COLORS = (
    (230, 90, 70),
    (70, 150, 235),
    (245, 180, 50),
    (90, 190, 110),
    (175, 115, 225),
    (60, 195, 205),
    (240, 120, 185),
)


def view_color(view: int) -> tuple[int, int, int]:
    """The RGB color (0 to 255) of view number `view` on the page."""
    if view < len(COLORS):
        return COLORS[view]
    r, g, b = colorsys.hls_to_rgb((view * 0.618034) % 1.0, 0.6, 0.65)  # the golden angle keeps neighbors apart
    return round(255 * r), round(255 * g), round(255 * b)


def camera_root(name: str) -> str:
    """The frame above the frustum of the view `name`."""
    return f"{CAMERAS}/{name}"


def wxyz_of(c2w: np.ndarray) -> np.ndarray:
    """(4,) quaternion, wxyz, of the rotation of one pose (4, 4)."""
    return SO3.from_matrix(np.asarray(c2w)[:3, :3]).wxyz


def thumbnail(image: np.ndarray, longest: int = THUMBNAIL) -> np.ndarray:
    """(h, w, 3) uint8: the image (H, W, 3), float in [0, 1] or uint8, with its longer side at most `longest` pixels."""
    from PIL import Image

    height, width = image.shape[:2]
    if image.dtype != np.uint8:
        image = (np.clip(image, 0.0, 1.0) * 255 + 0.5).astype(np.uint8)
    small = Image.fromarray(image)
    scale = longest / max(height, width)
    if scale < 1:
        small = small.resize((max(1, round(width * scale)), max(1, round(height * scale))), Image.Resampling.BOX)
    return np.asarray(small)


class CameraNodes:
    """One frustum per view, which shows the current frame and moves along the drawn camera path."""

    def __init__(self, server: viser.ViserServer, rig: Rig, frames: Frames, depth: float, quality: int) -> None:
        self.rig, self.depth = rig, depth
        self.frustums: list[viser.CameraFrustumHandle] = []
        self._server, self._image = server, frames
        self._others: list[viser.SceneNodeHandle] = []
        first = rig.cameras[:, 0]
        for v, name in enumerate(rig.names):
            color = view_color(v)
            self._others.append(server.scene.add_frame(camera_root(name), show_axes=False))
            self.frustums.append(
                server.scene.add_camera_frustum(
                    f"{camera_root(name)}/frustum",
                    fov=float(first[v].vertical_fov),
                    aspect=rig.cameras.width / rig.cameras.height,
                    color=color,
                    thickness=2.0,
                    thickness_units="screen",
                    jpeg_quality=quality,
                    wxyz=wxyz_of(first.c2w[v]),
                    position=first.centers[v],
                    cast_shadow=False,
                    receive_shadow=False,
                )
            )
            if rig.frames > 1:
                centers = rig.cameras.centers[v]
                self._others.append(
                    server.scene.add_line_segments(
                        f"{PATHS}/{name}",
                        np.stack([centers[:-1], centers[1:]], axis=1),
                        color,
                        thickness=2.5,
                        thickness_units="screen",
                    )
                )
        for v, frustum in enumerate(self.frustums):
            # viser fixes the volume: at scale 1, a frustum of half sizes x, y at depth 1 is cbrt(3 / (x y)) long.
            y = np.tan(rig.cameras[v, 0].vertical_fov / 2)
            frustum.scale = float(depth * np.cbrt(y * y * frustum.aspect / 3))

    def show_frame(self, frame: int) -> None:
        """Move all frustums to frame number `frame` in one atomic update."""
        images = [self._image(v, frame) for v in range(self.rig.views)]
        with self._server.atomic():
            for v, (frustum, image) in enumerate(zip(self.frustums, images)):
                camera = self.rig.cameras[v, frame]
                frustum.wxyz, frustum.position = wxyz_of(camera.c2w), camera.centers
                frustum.fov = float(camera.vertical_fov)
                frustum.image = image

    def remove(self) -> None:
        for node in (*self.frustums, *self._others):
            node.remove()


def add_points(
    server: viser.ViserServer, positions: np.ndarray, colors: np.ndarray, size: float
) -> viser.PointCloudHandle:
    """Add starting points (P, 3) with colors (P, 3) in [0, 1] and a diameter of `size` meters."""
    return server.scene.add_point_cloud(
        f"{POINTS}/starting",
        positions,
        colors,
        point_size=size,
        point_shape="circle",
        point_shading="flat",
        precision="float32",
    )


def add_ground(server: viser.ViserServer, radius: float) -> viser.GridHandle:
    """Add a grid in the plane z = 0; its cell size is a round number of meters, about a fifth of `radius`."""
    cell = round_length(radius / 5)
    return server.scene.add_grid(
        f"{GROUND}/grid",
        infinite_grid=True,
        cell_size=cell,
        section_size=5 * cell,
        cell_color=(60, 60, 60),
        section_color=(100, 100, 100),
        fade_distance=8 * radius,
        shadow_opacity=0.0,
    )


def round_length(length: float) -> float:
    """Round to the nearest of 1, 2 and 5 times a power of ten, by ratio."""
    decade = 10.0 ** np.floor(np.log10(length))
    return float(min((decade * step for step in (1, 2, 5, 10)), key=lambda size: abs(np.log(size / length))))


def thumbnails(frames: Frames, longest: int = THUMBNAIL) -> Frames:
    """The images with their longer side at most `longest` pixels; recent ones are kept."""

    @lru_cache(maxsize=256)
    def read(view: int, frame: int) -> np.ndarray | None:
        image = frames(view, frame)
        return None if image is None else thumbnail(image, longest)

    return read
