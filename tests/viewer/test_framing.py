import numpy as np
import pytest

from trajectories import Cameras, Rig
from trajectories.cameras import intrinsics_from_fov
from trajectories.rigs import RIGS, make_rig
from trajectories.rotations import look_at
from viewer.framing import frame_scene

K = intrinsics_from_fov(np.radians(50), 128, 128)


@pytest.mark.parametrize("name", sorted(RIGS))
@pytest.mark.parametrize(("views", "frames"), [(1, 1), (4, 16)])
def test_the_initial_view_contains_all_cameras(name, views, frames):
    rig = make_rig(name, views, frames)
    framing = frame_scene(rig)
    eye = Cameras(look_at(framing.eye, framing.target), intrinsics_from_fov(np.radians(50), 960, 720), 960, 720)
    pixels, depth = eye.project(rig.cameras.centers.reshape(-1, 3))
    assert (depth > 0).all()
    assert (pixels > 0).all() and (pixels < [960, 720]).all()
    assert framing.eye[2] > framing.target[2]
    assert 0 < framing.frustum_depth <= 0.15 * framing.radius


def test_for_a_straight_walk_the_target_is_at_the_points():
    centers = np.stack([np.zeros(5), np.linspace(0, 1, 5), np.ones(5)], axis=1)
    rig = Rig(
        Cameras(look_at(centers, centers + np.array([0.0, 1.0, 0.0]))[None], K, 128, 128), np.arange(5), ("walk",)
    )
    positions = np.random.default_rng(0).normal([0.0, 6.0, 1.0], 0.1, size=(50, 3))
    assert frame_scene(rig, positions).radius == pytest.approx(5.5, abs=0.2)
    alone = frame_scene(rig)
    assert np.isfinite(alone.eye).all() and alone.target[1] > 0.5


def test_points_alone():
    positions = np.random.default_rng(0).normal([5.0, 0.0, 0.0], 1.0, size=(500, 3))
    positions[0] = np.nan
    framing = frame_scene(None, positions)
    np.testing.assert_allclose(framing.target, [5.0, 0.0, 0.0], atol=0.2)
    assert 2 < framing.radius < 8


def test_an_empty_scene_has_the_default_target():
    np.testing.assert_allclose(frame_scene(None).target, [0.0, 0.0, 0.6])
