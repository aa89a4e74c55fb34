"""A mesh from splats: their rendered depths and colors, fused."""

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
PIXELS = 2.5
"""The side of a voxel unless given, in pixels at the median depth: finer ones leave more holes and less memory free."""
TRUNCATION = 6.0
"""How far from a surface voxels know of it, in voxels: the depths of two cameras may differ by about as much."""
COVERED, STEADY = 0.5, 0.2
"""A pixel's depth is trusted where splats cover it by more than `COVERED`, and lie within `STEADY` of it, as a standard
deviation and a part of the depth: at the rim of things, near and far ones mix."""
FARTHEST = 3.0
"""What lies farther than so many times the median depth is background, and left out."""
CAMERAS_TO_AGREE = 2
SAMPLED = 8
"""How many cameras tell how far away the scene is."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Colored triangles in the world of the splats."""

    vertices: np.ndarray
    """(V, 3) float32 positions."""
    faces: np.ndarray
    """(F, 3) int32 corners, counterclockwise seen from outside."""
    colors: np.ndarray
    """(V, 3) float32 RGB in [0, 1], sRGB as in images."""


def fuse(splats: Splats, cameras: Cameras, *, voxel: float | None = None, show_progress: bool = False) -> Mesh:
    """Fuse what cameras see of splats into a truncated signed distance field (Curless and Levoy 1996), and mesh it.

    A pixel's depth is the mean of its splats', and counts where they cover the pixel and agree. Triangles stand where
    at least two cameras saw a surface.

    Args:
        splats: N Gaussians.
        cameras: (C,) cameras that saw the scene.
        voxel: its side in meters; two and a half pixels at the median depth unless given.
        show_progress: show a bar.

    Returns:
        the mesh, with vertices and faces in a fixed order.

    Raises:
        InputError: the cameras see no surface.
    """
    import open3d as o3d

    core = o3d.core
    median = _median_depth(splats, cameras)
    voxel = voxel or PIXELS * median / float(np.median(cameras.K[:, 0, 0]))
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
    reach = {"depth_scale": 1.0, "depth_max": FARTHEST * median, "trunc_voxel_multiplier": TRUNCATION}
    for n in track(range(cameras.size), "Fusing depths", show_progress):
        color, depth = _look(splats, cameras[n : n + 1])
        if not ((depth > 0) & (depth < FARTHEST * median)).any():
            continue
        K, w2c = (core.Tensor.from_numpy(np.array(matrix[n])) for matrix in (cameras.K, cameras.viewmats))
        depth_image = o3d.t.geometry.Image(core.Tensor.from_numpy(depth[..., None]))
        color_image = o3d.t.geometry.Image(core.Tensor.from_numpy(color))
        blocks = grid.compute_unique_block_coordinates(depth_image, K, w2c, **reach)
        grid.integrate(blocks, depth_image, color_image, K, K, w2c, **reach)
    mesh = grid.extract_triangle_mesh(weight_threshold=min(CAMERAS_TO_AGREE, cameras.size) - 0.5)
    if "indices" not in mesh.triangle or not len(mesh.triangle.indices):
        raise InputError("The depths of the scene's cameras do not meet in a surface, so there is no mesh of it.")
    return _in_order(
        mesh.vertex.positions.numpy(), mesh.triangle.indices.numpy(), np.clip(mesh.vertex.colors.numpy(), 0, 1)
    )


def _median_depth(splats: Splats, cameras: Cameras) -> float:
    """The median depth of what a few of the cameras see."""
    chosen = np.unique(np.linspace(0, cameras.size - 1, SAMPLED).astype(int))
    depths = [_look(splats, cameras[n : n + 1])[1] for n in chosen]
    seen = np.concatenate([depth[depth > 0] for depth in depths])
    if not len(seen):
        raise InputError("The scene's cameras see no surface, so there is no mesh of it; fit the splats for longer.")
    return float(np.median(seen))


@torch.no_grad()
def _look(splats: Splats, camera: Cameras) -> tuple[np.ndarray, np.ndarray]:
    """(H, W, 3) colors and (H, W) z-depths of one camera, 0 where no depth can be trusted."""
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
    trusted = (alpha[0] > COVERED) & (spread < STEADY * depth)
    depth = torch.where(trusted, depth, 0.0)[..., 0]
    return np.ascontiguousarray(color.clamp(0, 1).cpu().numpy()), np.ascontiguousarray(depth.cpu().numpy())


def _in_order(vertices: np.ndarray, faces: np.ndarray, colors: np.ndarray) -> Mesh:
    """The same mesh, sorted: open3d's threads leave it in another order each time."""
    order = np.lexsort(vertices.T)
    place = np.empty(len(order), dtype=np.int32)
    place[order] = np.arange(len(order))
    faces = place[faces]
    # Each triangle begins with its least corner, which keeps its direction.
    turn = (faces.argmin(axis=1)[:, None] + np.arange(3)) % 3
    faces = np.take_along_axis(faces, turn, axis=1)
    return Mesh(vertices[order], faces[np.lexsort(faces.T[::-1])], colors[order])
