import numpy as np
import pytest
import torch

from recon.export.targets import TARGETS, TargetAxes
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
    after = render(splats.transformed(target.similarity), moved(two_cameras, target))
    if np.linalg.det(target.rows) < 0:
        after = after.flip(2)
    assert before.std() > 0.1  # the image is not empty
    torch.testing.assert_close(after, before, atol=2e-5, rtol=0)


def test_harmonics_must_be_transformed_too(some_splats, two_cameras):
    splats = some_splats(3)
    turned = splats.transformed(TARGETS["opengl"].similarity)
    turned.sh = splats.sh
    after = render(turned, moved(two_cameras, TARGETS["opengl"]))
    assert (after - render(splats, two_cameras)).abs().max() > 0.05


def test_where_up_and_forward_go():
    up, forward = np.array([0, 0, 1.0]), np.array([0, 1.0, 0])
    expected = {
        "supersplat": ([0, -1, 0], [0, 0, 1]),
        "web": ([0, -1, 0], [0, 0, 1]),
        "opengl": ([0, 1, 0], [0, 0, -1]),
        "unity": ([0, 1, 0], [0, 0, 1]),
        "unreal": ([0, 0, 100], [0, -100, 0]),
        "blender": ([0, 0, 1], [0, 1, 0]),
    }
    assert set(expected) == set(TARGETS)
    for name, (there_up, there_forward) in expected.items():
        np.testing.assert_array_equal(TARGETS[name].similarity(up), there_up)
        np.testing.assert_array_equal(TARGETS[name].similarity(forward), there_forward)
        left_handed = np.linalg.det(TARGETS[name].rows) < 0
        assert left_handed == ("left-handed" in TARGETS[name].words)


def test_supersplat_and_most_web_viewers_show_the_scene_upright():
    """They turn INRIA's files by 180 degrees about z and have y up: our up must be their y, without mirroring."""
    shown = np.diag([-1.0, -1.0, 1.0]) @ np.array(TARGETS["supersplat"].rows)
    np.testing.assert_array_equal(shown @ [0, 0, 1], [0, 1, 0])
    assert np.linalg.det(shown) == 1
    np.testing.assert_array_equal(TARGETS["web"].similarity(np.array([1.0, 2.0, 3.0])), [1, -3, 2])
