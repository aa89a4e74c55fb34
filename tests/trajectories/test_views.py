import numpy as np

from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at
from trajectories.views import inverse_depth_range, neighbors, spread_views


def looking_at(positions, target=(0, 0, 0)):
    c2w = np.array([look_at(np.array(position, float), np.array(target, float)) for position in positions])
    return Cameras(c2w, intrinsics_from_fov(1.0, 100, 100), 100, 100)


def row(offsets):
    c2w = np.tile(np.eye(4), (len(offsets), 1, 1))
    c2w[:, 0, 3] = offsets
    return Cameras(c2w, intrinsics_from_fov(2 * np.arctan(0.5), 100, 100), 100, 100)


def test_neighbors_exclude_equal_centers_and_opposite_directions():
    cameras = looking_at([(4, 0, 1), (4, 0, 1), (3.9, 0.8, 1), (-4, 0, 1)])
    np.testing.assert_array_equal(neighbors(cameras, 0, 4), [2])


def test_neighbors_have_short_to_long_baselines():
    found = neighbors(row(np.arange(30.0)), 0, 5)
    np.testing.assert_array_equal(found, [1, 2, 3, 5, 8])


def test_spread_views_include_both_ends():
    chosen = spread_views(row(np.arange(9.0)), 3)
    assert sorted(chosen) == [0, 4, 8]
    assert len(spread_views(row([0, 0, 0, 0]), 3)) == 1


def test_depth_range_of_parallel_cameras_is_unbounded():
    # At depth z the views are z wide and 1 apart; at z = 1.6 they share five of the twelve columns.
    near, far = inverse_depth_range(row([0, 1]), 0, np.array([1]))
    assert far == 0.0
    assert 1 / 1.7 < near <= 1 / 1.6 + 1e-9


def test_depth_range_of_opposite_cameras_is_bounded():
    cameras = looking_at([(4, 0, 0.001), (-4, 0, 0)])
    near, far = inverse_depth_range(cameras, 0, np.array([1]))
    assert far > 1 / 9 and near > far


def test_depth_range_of_views_without_overlap_is_empty():
    c2w = np.tile(np.eye(4), (2, 1, 1))
    c2w[1, :3, :3] = np.diag([-1.0, 1.0, -1.0])
    c2w[1, 2, 3] = -1.0
    cameras = Cameras(c2w, intrinsics_from_fov(1.0, 100, 100), 100, 100)
    assert inverse_depth_range(cameras, 0, np.array([1])) == (0.0, 0.0)
