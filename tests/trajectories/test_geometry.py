"""Meeting points and two-view geometry, by hand and against projected points."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trajectories import Cameras, intrinsics_from_fov, look_at, make_rig
from trajectories.geometry import (
    extent,
    focus_point,
    fundamental_matrix,
    homography_at_infinity,
    meeting_point,
    relative_pose,
)
from trajectories.rotations import rigid

# Columns are the axes of a camera that looks along +x: right is -y, down is -z.
ALONG_X = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
# The same for a camera that looks along +y: right is +x, down is -z.
ALONG_Y = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])


K = intrinsics_from_fov(1.0, 100, 100)


def posed(R, centers, K=K):
    return Cameras(rigid(R, centers), K, 100, 100)


def homogeneous(pixels):
    return np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)


def test_extent_by_hand():
    assert extent(posed(np.eye(3), [(0, 0, 0), (1, 0, 0), (5, 0, 0)])) == 3.0


def test_skew_axes_meet_halfway_between_them():
    # One axis is along x at height 0, the other along y at height 2; they are closest at (3, 4).
    cameras = posed(np.stack([ALONG_X, ALONG_Y]), [(0, 4, 0), (3, 0, 2)])
    np.testing.assert_allclose(meeting_point(cameras), [3, 4, 1], atol=1e-12)
    np.testing.assert_allclose(focus_point(cameras), [3, 4, 1], atol=1e-5)


def test_the_tolerance_is_a_fraction_of_the_depth():
    # The axes miss (3, 4, 1) by 1 m; the cameras are 3 and 4 m away along their axes.
    cameras = posed(np.stack([ALONG_X, ALONG_Y]), [(0, 4, 0), (3, 0, 2)])
    assert meeting_point(cameras, tolerance=0.34) is not None
    assert meeting_point(cameras, tolerance=0.33) is None


def test_axes_that_meet_behind_the_cameras_do_not_meet():
    assert meeting_point(posed(np.stack([ALONG_X, ALONG_Y]), [(4, 1, 0), (1, 3, 0)])) is None


def test_a_few_axes_may_miss_the_meeting_point():
    facing = look_at([[3, 0, 0], [0, 3, 0], [0, -3, 0]], [0, 0, 0])
    away = look_at([-3, 0, 0], [-4, 0, 0])  # its axis passes through the origin, behind the camera
    np.testing.assert_allclose(meeting_point(Cameras(np.stack([*facing, away]), K, 100, 100)), 0, atol=1e-12)
    assert meeting_point(Cameras(np.stack([*facing[:2], away]), K, 100, 100)) is None


def test_parallel_axes_have_a_focus_point_next_to_the_cameras_and_no_meeting_point():
    cameras = posed(np.eye(3), [(0, 0, 0), (1, 0, 0), (2, 0, 0)])
    np.testing.assert_allclose(focus_point(cameras), [1, 0, 0], atol=1e-9)
    assert meeting_point(cameras) is None
    assert meeting_point(cameras[:1]) is None


def test_the_axes_of_a_rig_meet_at_its_target():
    cameras = make_rig("dome", 3, 4, target=(1.0, -2.0, 0.5)).cameras
    np.testing.assert_allclose(meeting_point(cameras, tolerance=1e-6), [1, -2, 0.5], atol=1e-9)


def test_relative_pose_by_hand():
    # The key camera looks along +x from (1, 0, 0); the query camera at the origin is 1 m behind it.
    R, t = relative_pose(posed(np.eye(3), [0, 0, 0]), posed(ALONG_X, [1, 0, 0]))
    np.testing.assert_allclose(t, [0, 0, -1])
    np.testing.assert_allclose(R, ALONG_X.T)


def test_fundamental_matrix_of_a_sideways_step_by_hand():
    # K = I and a step of 1 along x: x_key = x_query - (1/z, 0), so epipolar lines are rows: y_key = y_query.
    F = fundamental_matrix(posed(np.eye(3), [0, 0, 0], np.eye(3)), posed(np.eye(3), [1, 0, 0], np.eye(3)))
    np.testing.assert_allclose(F, [[0, 0, 0], [0, 0, 1], [0, -1, 0]], atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_both_pixels_of_a_world_point_satisfy_the_fundamental_matrix(random_cameras, seed):
    query, key = random_cameras(seed, 2), random_cameras(seed + 1, 2)
    assume((np.linalg.norm(query.centers - key.centers, axis=-1) > 0.05).all())
    points = query.centers[:, None] + query.rays(np.array([[20.0, 30], [80, 45], [150, 70]]))[1] * 3
    x_query, (x_key, depth) = homogeneous(query.project(points)[0]), key.project(points)
    assume((np.abs(depth) > 0.1).all())
    lines = x_query @ np.swapaxes(fundamental_matrix(query, key), -1, -2)
    distance = (lines * homogeneous(x_key)).sum(-1) / np.linalg.norm(lines[..., :2], axis=-1)
    assert np.abs(distance).max() < 1e-6 * np.abs(x_key).max()


def test_homography_at_infinity_of_a_quarter_turn_by_hand():
    # The key is rolled by 90 degrees about z: its right is the world's down.
    roll = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    K = np.diag([2.0, 2.0, 1.0])
    H = homography_at_infinity(posed(np.eye(3), [0, 0, 0], K), posed(roll, [5, 0, 0], K))
    np.testing.assert_allclose(H @ [4.0, 6.0, 1.0], [6, -4, 1])


def test_the_shapes_of_two_views_broadcast():
    grid = make_rig("orbit", 2, 3).cameras
    assert fundamental_matrix(grid[0, 0], grid).shape == (2, 3, 3, 3)
    R, t = relative_pose(grid[0, 0], grid)
    np.testing.assert_allclose(R[0, 0], np.eye(3), atol=1e-12)
    assert t.shape == (2, 3, 3) and t[0, 0] == pytest.approx(0)
