import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import Cameras, InputError, intrinsics_from_fov, look_at

K = intrinsics_from_fov(np.radians(90), 8, 4)


def camera(c2w=None):
    return Cameras(np.eye(4) if c2w is None else c2w, K, 8, 4)


def test_field_of_view_by_hand():
    np.testing.assert_allclose(K, [[2, 0, 4], [0, 2, 2], [0, 0, 1]])


@pytest.mark.parametrize("fov", [0.0, -1.0, np.pi, np.nan])
def test_field_of_view_out_of_range(fov):
    with pytest.raises(InputError, match="field of view"):
        intrinsics_from_fov(fov, 8, 4)


def test_projection_by_hand():
    # 4 m ahead, 2 m right, 1 m down: x = 4 + 2 * 2 / 4, y = 2 + 2 * 1 / 4.
    pixels, depths = camera().project(np.array([[2.0, 1.0, 4.0], [0.0, 0.0, -1.0]]))
    np.testing.assert_allclose(pixels[0], [5.0, 2.5])
    np.testing.assert_allclose(depths, [4.0, -1.0])


def test_fields_of_view_by_hand():
    two = Cameras(np.tile(np.eye(4), (2, 1, 1)), np.stack([K, np.diag([4.0, 1.0, 1.0])]), 8, 4)
    np.testing.assert_allclose(two.vertical_fov, [np.radians(90), 2 * np.arctan(2)])
    np.testing.assert_allclose(two.horizontal_fov, [2 * np.arctan(2), np.radians(90)])


def test_points_in_front_and_inside_the_image_are_seen():
    # At 2 m a pixel is 1 m wide: the image extends from (-4, -2) to (4, 2), including only its left and top edges.
    points = [[0, 0, 2], [0, 0, -2], [0, 0, 0], [-4, -2, 2], [4, 0, 2], [0, 2, 2], [3.9, 1.9, 2], [-4.1, 0, 2]]
    seen = [True, False, False, True, False, False, True, False]
    exact = Cameras(np.eye(4), [[2, 0, 4], [0, 2, 2], [0, 0, 1]], 8, 4)
    assert exact.sees(np.array(points, dtype=float)).tolist() == seen
    assert exact.contains(np.array([[7.5, 3.5], [7.5, 3.5]]), np.array([1.0, -1.0])).tolist() == [True, False]


def test_rays_by_hand():
    # The camera looks along +x from (1, 0, 0): right is -y, down is -z.
    seen = camera([[0, 0, 1, 1], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    origins, directions = seen.rays([[4, 2], [8, 2], [4, 0]])
    np.testing.assert_allclose(origins, [[1, 0, 0]] * 3)
    np.testing.assert_allclose(directions, [[1, 0, 0], [1, -2, 0], [1, 0, 1]])
    np.testing.assert_allclose(seen.rays([[8, 2]], unit=True)[1], [[1 / 5**0.5, -2 / 5**0.5, 0]])


@given(seed=st.integers(0, 2**32 - 1))
def test_points_on_a_ray_project_to_its_pixel(random_cameras, seed):
    cameras = random_cameras(seed, 3)
    pixels = np.random.default_rng(seed).uniform(0, 90, (3, 5, 2))
    for given_pixels in (pixels, pixels[0]):  # different pixels per camera, and the same for all
        origins, directions = cameras.rays(given_pixels)
        assert origins.shape == directions.shape == (3, 5, 3)
        back, depths = cameras.project(origins + 7.0 * directions)
        np.testing.assert_allclose(back, np.broadcast_to(given_pixels, back.shape), atol=1e-8)
        np.testing.assert_allclose(depths, 7.0)


def test_the_target_of_look_at_is_in_the_image_center_and_up_is_up():
    seen = camera(look_at([3.0, -2.0, 1.5], [0.0, 0.0, 0.6]))
    pixels, _ = seen.project(np.array([[0.0, 0.0, 0.6], [0.0, 0.0, 0.9]]))
    np.testing.assert_allclose(pixels[0], [4.0, 2.0], atol=1e-12)
    assert pixels[1, 1] < 2.0  # higher in the world is higher in the image, whose y points down


@given(seed=st.integers(0, 2**32 - 1))
def test_viewmats_invert_c2w(random_cameras, seed):
    cameras = random_cameras(seed, 3)
    np.testing.assert_allclose(cameras.viewmats @ cameras.c2w, np.broadcast_to(np.eye(4), (3, 4, 4)), atol=1e-12)


@given(seed=st.integers(0, 2**32 - 1))
def test_projection_does_not_change_when_the_scene_moves(random_cameras, seed):
    cameras, world = random_cameras(seed, 2), random_cameras(seed + 1, 1).c2w[0]
    points = cameras.centers[:, None] + cameras.forward[:, None] * 3 + np.array([[0.1, 0.2, 0.3], [-0.2, 0.1, 0.0]])
    moved = points @ world[:3, :3].T + world[:3, 3]
    for before, after in zip(cameras.project(points), cameras.transformed(world).project(moved)):
        np.testing.assert_allclose(before, after, atol=1e-8)


def test_resizing_scales_pixels(random_cameras):
    cameras = random_cameras(1, 1)
    points = cameras.centers[:, None] + cameras.forward[:, None] * 3 + 0.1
    scaled = cameras.resized(320, 45)
    assert (scaled.width, scaled.height) == (320, 45)
    np.testing.assert_allclose(scaled.project(points)[0], cameras.project(points)[0] * [2.0, 0.5])


def test_indexing_and_reshaping(random_cameras):
    grid = random_cameras(2, 6).reshape(2, 3)
    assert grid.shape == (2, 3) and grid.size == 6 and grid[1].shape == (3,) and grid[1, 2].shape == ()
    assert grid.reshape(-1).shape == (6,)
    np.testing.assert_array_equal(grid[:, 1].c2w, grid.c2w[:, 1])
    np.testing.assert_array_equal(grid[1, 2].K, grid.K[1, 2])
    with pytest.raises(IndexError):
        grid[0, 0, 0]


def test_arrays_are_read_only_copies():
    c2w = np.eye(4)
    kept = camera(c2w)
    c2w[0, 3] = 7
    assert kept.centers[0] == 0
    with pytest.raises(ValueError):
        kept.c2w[0, 3] = 1


@pytest.mark.parametrize(
    "fault", [np.diag([1.0, 1.0, -1.0, 1.0]), np.diag([1.1, 1.0, 1.0, 1.0]), np.diag([1.0, 1.0, 1.0, 2.0])]
)
def test_a_pose_that_is_not_a_rigid_motion_is_refused_with_its_index(fault):
    poses = np.stack([[np.eye(4)] * 3] * 2)
    poses[1, 2] = fault
    with pytest.raises(InputError, match=r"camera \(1, 2\) is not a rotation"):
        camera(poses)


def test_a_pose_that_is_not_finite_is_refused():
    pose = np.eye(4)
    pose[0, 3] = np.nan
    with pytest.raises(InputError, match="not finite"):
        camera(pose)


@pytest.mark.parametrize("change", [((0, 0), 0.0), ((1, 1), -3.0), ((2, 2), 2.0), ((0, 2), np.inf), ((1, 0), 0.1)])
def test_intrinsics_that_are_not_a_pinhole_matrix_are_refused(change):
    wrong = K.copy()
    wrong[change[0]] = change[1]
    with pytest.raises(InputError, match="intrinsics"):
        Cameras(np.eye(4), wrong, 8, 4)


def test_shapes_and_sizes_are_checked():
    with pytest.raises(InputError, match="image size is 0x4"):
        Cameras(np.eye(4), K, 0, 4)
    with pytest.raises(InputError, match="c2w has shape"):
        Cameras(np.eye(3), K, 8, 4)
    with pytest.raises(InputError, match="K has shape"):
        Cameras(np.eye(4), np.eye(4), 8, 4)
