"""Extract a mesh from splats by TSDF fusion of rendered depths and colors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from recon.progress import track
from recon.rasterize.reference import spherical_harmonics
from recon.render import rasterized
from recon.splats import Splats
from trajectories.cameras import Cameras
from trajectories.errors import InputError

BLOCK = 8
VOXEL_PIXELS = 2.5
"""Default side of a voxel, in pixels at the median depth. Smaller voxels leave more holes and need more memory."""
TRUNCATION = 6.0
"""Truncation distance of the field, in voxels; about as large as the depth differences between two cameras."""
MIN_ALPHA, MAX_SPREAD = 0.5, 0.2
"""A pixel's depth is used where alpha exceeds `MIN_ALPHA` and the standard deviation of its splats' depths is below
`MAX_SPREAD` times the depth. At the edges of objects, near and far depths mix."""
MAX_DEPTH = 3.0
"""Depths above this multiple of the median depth are background and are left out."""
MIN_CAMERAS = 2
DEPTH_CAMERAS = 8
"""Number of cameras from which the median depth is computed."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Colored triangles in the splats' world coordinates."""

    vertices: np.ndarray
    """(V, 3) float32 positions."""
    faces: np.ndarray
    """(F, 3) int32 corners, counterclockwise seen from outside."""
    colors: np.ndarray
    """(V, 3) float32 RGB in [0, 1], sRGB as in images."""


def fuse(splats: Splats, cameras: Cameras, *, voxel: float | None = None, show_progress: bool = False) -> Mesh:
    """Fuse renders of splats into a truncated signed distance field (Curless and Levoy 1996) and extract its mesh.

    A pixel's depth is the mean depth of its splats. It is used where the splats cover the pixel and their depths agree.
    Triangles are extracted where at least two cameras see a surface.

    Args:
        splats: N Gaussians.
        cameras: (C,) cameras to render.
        voxel: side of a voxel in meters; by default two and a half pixels at the median depth.
        show_progress: show a progress bar.

    Returns:
        the mesh, with vertices and faces in a fixed order.

    Raises:
        InputError: the cameras see no surface, or open3d is not installed.
    """
    try:
        import open3d as o3d
    except ImportError as error:
        raise InputError(f"A mesh needs open3d ({error}); install it with: pip install 'cvd3d[mesh]'.") from None

    core = o3d.core
    median = _median_depth(splats, cameras)
    voxel = voxel or VOXEL_PIXELS * median / float(np.median(cameras.K[:, 0, 0]))
    device = core.Device("CPU:0")
    grid = o3d.t.geometry.VoxelBlockGrid(
        attr_names=("tsdf", "weight", "color"),
        attr_dtypes=(core.float32, core.float32, core.float32),
        attr_channels=[core.SizeVector([channels]) for channels in (1, 1, 3)],
        voxel_size=voxel,
        block_resolution=BLOCK,
        block_count=10_000,
        device=device,
    )
    limits = {"depth_scale": 1.0, "depth_max": MAX_DEPTH * median, "trunc_voxel_multiplier": TRUNCATION}
    for n in track(range(cameras.size), "Fusing depths", show_progress):
        color, depth = _render_depth(splats, cameras[n : n + 1])
        if not ((depth > 0) & (depth < MAX_DEPTH * median)).any():
            continue
        K, w2c = (core.Tensor.from_numpy(np.array(matrix[n])) for matrix in (cameras.K, cameras.viewmats))
        depth_image = o3d.t.geometry.Image(core.Tensor.from_numpy(depth[..., None]))
        color_image = o3d.t.geometry.Image(core.Tensor.from_numpy(color))
        blocks = grid.compute_unique_block_coordinates(depth_image, K, w2c, **limits)
        grid.integrate(blocks, depth_image, color_image, K, K, w2c, **limits)
    mesh = grid.extract_triangle_mesh(weight_threshold=min(MIN_CAMERAS, cameras.size) - 0.5)
    if "indices" not in mesh.triangle or not len(mesh.triangle.indices):
        raise InputError("The depths of the scene's cameras do not agree on a surface, so there is no mesh of it.")
    return _sorted(
        mesh.vertex.positions.numpy(), mesh.triangle.indices.numpy(), np.clip(mesh.vertex.colors.numpy(), 0, 1)
    )


def _median_depth(splats: Splats, cameras: Cameras) -> float:
    """The median depth in the renders of a few of the cameras."""
    chosen = np.unique(np.linspace(0, cameras.size - 1, DEPTH_CAMERAS).astype(int))
    depths = [_render_depth(splats, cameras[n : n + 1])[1] for n in chosen]
    found = np.concatenate([depth[depth > 0] for depth in depths])
    if not len(found):
        raise InputError("The scene's cameras see no surface, so there is no mesh of it; fit the splats for longer.")
    return float(np.median(found))


@torch.no_grad()
def _render_depth(splats: Splats, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) colors and (H, W) z-depths of one camera; the depth is 0 where it is not reliable."""
    device = splats.means.device
    w2c = torch.tensor(camera.viewmats[0], dtype=torch.float32, device=device)
    eye = torch.tensor(camera.centers[0], dtype=torch.float32, device=device)
    rgb = (spherical_harmonics(splats.sh_degree, splats.means - eye, splats.sh) + 0.5).clamp_min(0)
    z = (splats.means @ w2c[2, :3] + w2c[2, 3])[:, None]
    K = torch.tensor(camera.K, dtype=torch.float32, device=device)
    colors = torch.cat([rgb, z, z * z], dim=1)
    image, alpha, _ = rasterized(splats, w2c[None], K, camera.width, camera.height, colors=colors)
    color, depth, square = (image[0] / alpha[0].clamp_min(1e-6)).split([3, 1, 1], dim=-1)
    spread = (square - depth * depth).clamp_min(0).sqrt()
    trusted = (alpha[0] > MIN_ALPHA) & (spread < MAX_SPREAD * depth)
    depth = torch.where(trusted, depth, 0.0)[..., 0]
    return np.ascontiguousarray(color.clamp(0, 1).cpu().numpy()), np.ascontiguousarray(depth.cpu().numpy())


def _sorted(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> Mesh:
    """The same mesh in sorted order: open3d's threads return a different order each time."""
    order = np.lexsort(vertices.T)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    faces = place[faces]
    # Each triangle starts with its smallest index; the rotation keeps its orientation.
    turn = (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turn, axis=1)
    return Mesh(vertices[order], faces[np.lexsort(faces.T[::-1])], colors[order])
