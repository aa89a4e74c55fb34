import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from recon.export.targets import TARGETS, TargetAxes
from recon.export.turn import turn_points, turn_splats, wigner_matrices
from recon.rasterize.reference import spherical_harmonics
from recon.render import render
from trajectories.cameras import Cameras


def moved(cameras: Cameras, target: TargetAxes) -> Cameras:
    """The cameras in the target's axes; in a mirrored world each sees the mirror image."""
    M = np.array(target.rows)
    c2w = np.array(cameras.c2w)
    c2w[:, :3, :3] = M @ c2w[:, :3, :3] @ np.diag([np.linalg.det(M), 1, 1])
    c2w[:, :3, 3] = target.unit * c2w[:, :3, 3] @ M.T
    return Cameras(c2w, cameras.K, cameras.width, cameras.height)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("name", list(TARGETS))
def test_transformed_splats_and_cameras_give_the_same_image(name, degree, some_splats, two_cameras):
    splats, target = some_splats(degree), TARGETS[name]
    before = render(splats, two_cameras)
    after = render(turn_splats(splats, target), moved(two_cameras, target))
    if np.linalg.det(target.rows) < 0:
        after = after.flip(2)
    assert before.std() > 0.1  # the image is not empty
    torch.testing.assert_close(after, before, atol=2e-5, rtol=0)


def test_harmonics_must_be_transformed_too(some_splats, two_cameras):
    splats = some_splats(3)
    turned = turn_splats(splats, TARGETS["opengl"])
    turned.sh = splats.sh
    after = render(turned, moved(two_cameras, TARGETS["opengl"]))
    assert (after - render(splats, two_cameras)).abs().max() > 0.05


def test_where_up_and_forward_go():
    up, forward = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    expected = {
        "opengl": ([0, 1, 0], [0, 0, -1]),
        "unity": ([0, 1, 0], [0, 0, 1]),
        "unreal": ([0, 0, 100], [0, -100, 0]),
        "blender": ([0, 0, 1], [0, 1, 0]),
    }
    assert set(expected) == set(TARGETS)
    for name, (there_up, there_forward) in expected.items():
        np.testing.assert_array_equal(turn_points(up, TARGETS[name]), there_up)
        np.testing.assert_array_equal(turn_points(forward, TARGETS[name]), there_forward)
        left_handed = np.linalg.det(TARGETS[name].rows) < 0
        assert left_handed == ("left-handed" in TARGETS[name].words)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_wigner_matrices_show_the_old_color_along_the_new_direction(seed, mirrored):
    rng = np.random.default_rng(seed)
    M = torch.from_numpy(Rotation.from_quat(rng.normal(size=4)).as_matrix() * (-1 if mirrored else 1))
    directions, k = torch.from_numpy(rng.normal(size=(20, 3))), torch.from_numpy(rng.normal(size=(16, 3)))
    turned = torch.block_diag(*wigner_matrices(M, 3)) @ k
    torch.testing.assert_close(
        spherical_harmonics(3, directions @ M.T, turned), spherical_harmonics(3, directions, k), atol=1e-9, rtol=0
    )


def test_wigner_matrices_are_orthogonal_and_compose():
    one, two = (torch.from_numpy(Rotation.from_rotvec(v).as_matrix()) for v in ([0.3, -1.0, 2.0], [1.5, 0.2, -0.4]))
    for D1, D2, D12 in zip(wigner_matrices(one, 3), wigner_matrices(two, 3), wigner_matrices(two @ one, 3)):
        torch.testing.assert_close(D1 @ D1.T, torch.eye(len(D1), dtype=torch.float64), atol=1e-10, rtol=0)
        torch.testing.assert_close(D2 @ D1, D12, atol=1e-10, rtol=0)
