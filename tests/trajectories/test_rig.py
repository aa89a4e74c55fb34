import math

import numpy as np
import pytest

from trajectories import Cameras, InputError, Rig, intrinsics_from_fov, look_at, make_rig, through


def test_a_rig_from_paths(random_cameras):
    left, right = random_cameras(0, 5), random_cameras(1, 5)
    rig = Rig.from_paths({"left": left, "right": right}, np.arange(5) / 24)
    assert (rig.views, rig.frames, rig.names) == (2, 5, ("left", "right"))
    np.testing.assert_array_equal(rig.cameras[1].c2w, right.c2w)
    np.testing.assert_array_equal(rig.cameras[0].K, left.K)


def test_a_path_through_key_poses_becomes_a_rig():
    keys = look_at([[-3, -3, 1], [0, -4, 2], [3, -3, 1]], target=[0, 0, 0.6])
    K = intrinsics_from_fov(math.radians(50), width=128, height=128)
    sweep = Cameras(through(keys, 16, easing="in-out"), K, width=128, height=128)
    rig = Rig.from_paths({"there": sweep, "back": sweep[::-1]}, times=np.arange(16) / 8)
    np.testing.assert_allclose(rig.cameras.centers[0, [0, -1]], [[-3, -3, 1], [3, -3, 1]], atol=1e-9)
    np.testing.assert_array_equal(rig.cameras[1].c2w, rig.cameras[0].c2w[::-1])


def test_paths_that_differ_are_refused_with_their_name(random_cameras):
    left = random_cameras(0, 5)
    for other in (random_cameras(1, 4), random_cameras(1, 5, width=80)):
        with pytest.raises(InputError, match="The path 'right'"):
            Rig.from_paths({"left": left, "right": other}, np.arange(5))
    with pytest.raises(InputError, match=r"The path 'left' has cameras \(\)"):
        Rig.from_paths({"left": left[0]}, [0.0])
    with pytest.raises(InputError, match="at least one path"):
        Rig.from_paths({}, [])


def test_a_subset_has_the_requested_order():
    rig = make_rig("orbit", 4, 3)
    part = rig.subset(["cam03", "cam01"])
    assert part.names == ("cam03", "cam01")
    np.testing.assert_array_equal(part.cameras.c2w, rig.cameras.c2w[[3, 1]])
    with pytest.raises(InputError, match="no video 'cam04'"):
        rig.subset(["cam04"])


def test_moving_the_world_moves_every_camera():
    rig = make_rig("circle", 3, 4)
    world = np.eye(4)
    world[:3, 3] = [1.0, 2.0, 3.0]
    moved = rig.transformed(world)
    np.testing.assert_allclose(moved.cameras.centers, rig.cameras.centers + world[:3, 3])
    assert moved.names == rig.names
    np.testing.assert_array_equal(moved.times, rig.times)


@pytest.mark.parametrize("times", [[0.0, 1.0], [0.0, 1.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, np.nan]])
def test_times_must_increase(random_cameras, times):
    with pytest.raises(InputError, match="increasing times"):
        Rig(random_cameras(0, 6).reshape(2, 3), times, ("a", "b"))


@pytest.mark.parametrize("names", [("a",), ("a", "a"), ("a", "../b"), ("a", ""), ("a", "b c")])
def test_names_must_be_distinct_folder_names(random_cameras, names):
    with pytest.raises(InputError, match="name"):
        Rig(random_cameras(0, 6).reshape(2, 3), [0.0, 1.0, 2.0], names)


def test_a_rig_needs_cameras_of_two_dimensions(random_cameras):
    with pytest.raises(InputError, match=r"shape \(V, T\)"):
        Rig(random_cameras(0, 3), [0.0, 1.0, 2.0], ("a",))


def test_videos_with_equal_times_become_views():
    rig = make_rig("orbit", 2, 3)
    shuffled = np.random.default_rng(0).permutation(6)
    names = np.repeat(rig.names, 3)
    got, order = Rig.from_frames(
        rig.cameras.reshape(-1)[shuffled], np.tile(rig.times, 2)[shuffled], tuple(str(n) for n in names[shuffled])
    )
    np.testing.assert_array_equal(got.times, rig.times)
    for v, name in enumerate(got.names):
        w = rig.names.index(name)
        np.testing.assert_array_equal(got.cameras.c2w[v], rig.cameras.c2w[w])
        np.testing.assert_array_equal(shuffled[order[v]], [3 * w, 3 * w + 1, 3 * w + 2])


@pytest.mark.parametrize("times", [None, np.zeros(4), np.array([0.0, 1.0, 0.0, 2.0])])
def test_photos_become_one_view_each(times):
    cameras = make_rig("orbit", 2, 2).cameras.reshape(-1)
    rig, order = Rig.from_frames(cameras, times, ("a", "a", "b", "b"))
    assert (rig.views, rig.frames) == (4, 1)
    np.testing.assert_array_equal(order[:, 0], range(4))
    np.testing.assert_array_equal(rig.cameras.c2w[:, 0], cameras.c2w)


def test_the_frame_rate_is_one_over_the_median_interval(random_cameras):
    def rate(*times):
        return Rig(random_cameras(0, len(times)).reshape(1, -1), times, ("a",)).fps

    assert rate(0.0, 0.25, 0.5) == 4.0
    assert rate(0.0, 0.25, 0.5, 10.0) == 4.0  # a gap
    assert rate(0.0, 1.0, 4.0) == 0.5  # the median of two intervals is their mean
    assert rate(3.0) == 1.0


def test_it_prints_in_one_line():
    rig = make_rig("orbit", 2, 3, width=40, height=30)
    assert repr(rig) == "Rig(2 views of 3 frames, 40x30, 8 fps: cam00, cam01)"
    assert repr(rig.cameras) == "Cameras(shape=(2, 3), 40x30)"
