import sys

import numpy as np
import pytest
import torch

from recon.export.gltf import linear_from_srgb
from recon.export.mesh import write_mesh
from recon.export.targets import TARGETS
from recon.fusion import fuse
from recon.splats import SH_C0, Splats
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.errors import InputError
from trajectories.rotations import look_at

RADIUS, COLOR = 0.6, (0.9, 0.5, 0.1)


def ball(N=600):
    """An opaque ball at the origin."""
    n = torch.arange(N) + 0.5
    z, turn = 1 - 2 * n / N, np.pi * (1 + 5**0.5) * n  # Fibonacci's lattice
    r = (1 - z * z).sqrt()
    return Splats(
        means=RADIUS * torch.stack([r * turn.cos(), r * turn.sin(), z], dim=1).float(),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(N, 1),
        log_scales=torch.full((N, 3), 0.03).log(),
        logit_opacities=torch.full((N,), 4.0),
        sh=((torch.tensor(COLOR) - 0.5) / SH_C0).repeat(N, 1)[:, None],
    )


def around(count=6, width=48, height=36):
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    eyes = np.stack([2 * np.cos(angles), 2 * np.sin(angles), np.where(np.arange(count) % 2, 1.2, -1.2)], axis=1)
    return Cameras(look_at(eyes, target=(0, 0, 0)), intrinsics_from_fov(np.radians(45), width, height), width, height)


@pytest.fixture(scope="module")
def mesh():
    pytest.importorskip("open3d")
    return fuse(ball(), around(), voxel=0.025)


def test_the_mesh_of_a_ball_is_a_ball(mesh):
    assert len(mesh.faces) > 300
    distance = np.linalg.norm(mesh.vertices, axis=1)
    assert np.abs(distance - RADIUS).max() < 0.12 and abs(distance.mean() - RADIUS) < 0.04
    np.testing.assert_allclose(mesh.colors.mean(axis=0), COLOR, atol=0.02)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    outward = (np.cross(b - a, c - a) * (a + b + c)).sum(axis=1) > 0
    assert outward.mean() > 0.9


def test_the_default_voxel_size_follows_the_pixels(mesh):
    coarse = fuse(ball(), around(6, 96, 72))  # 0.05 m
    assert 500 < len(coarse.faces) < 0.5 * len(mesh.faces)
    assert abs(np.linalg.norm(coarse.vertices, axis=1).mean() - RADIUS) < 0.08


def test_the_same_mesh_every_time(mesh):
    again = fuse(ball(), around(), voxel=0.025)
    for name in ("vertices", "faces", "colors"):
        np.testing.assert_array_equal(getattr(again, name), getattr(mesh, name))


@pytest.mark.parametrize("name", ["opengl", "unreal"])
def test_trimesh_reads_the_file(mesh, tmp_path, name):
    trimesh = pytest.importorskip("trimesh")
    write_mesh(mesh, tmp_path / "mesh.glb", TARGETS[name])
    (read,) = trimesh.load(tmp_path / "mesh.glb", process=False).geometry.values()
    assert len(read.faces) == len(mesh.faces)
    expected = mesh.vertices * [100, -100, 100] if name == "unreal" else mesh.vertices[:, [0, 2, 1]] * [1, 1, -1]
    np.testing.assert_allclose(read.vertices, expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        np.asarray(read.visual.vertex_colors)[:, :3] / 255, linear_from_srgb(mesh.colors), atol=0.51 / 255
    )
    outward = (read.face_normals * read.triangles_center).sum(axis=1) > 0
    assert outward.mean() > 0.9


def test_cameras_that_see_no_surface_are_refused(mesh):
    away = around(3)
    c2w = np.array(away.c2w)
    c2w[:, :3, :3] = c2w[:, :3, :3] @ np.diag([-1, 1, -1])
    with pytest.raises(InputError, match="see no surface"):
        fuse(ball(50), Cameras(c2w, away.K, away.width, away.height))


def test_a_missing_open3d_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(InputError, match=r"needs open3d .* pip install 'cvd3d\[mesh\]'"):
        fuse(ball(), around(), voxel=0.025)
