import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trajectories import InputError
from trajectories.lens import Lens, pinhole_cameras

BARREL = Lens(160, 90, 100, 110, 82, 43, (-0.2, 0.03))
PINCUSHION = Lens(160, 90, 100, 110, 82, 43, (0.15,))
FULL = Lens(160, 90, 100, 110, 82, 43, (-0.3, 0.1, 0.002, -0.003, 0.02, 0.05, -0.01, 0.004))
TANGENTIAL = Lens(160, 90, 100, 110, 82, 43, (0.0, 0.0, 0.01, -0.02))
FISHEYE = Lens(160, 90, 70, 75, 82, 43, (0.05, -0.01, 0.004, -0.002), fisheye=True)
LENSES = (BARREL, PINCUSHION, FULL, TANGENTIAL, FISHEYE)


def directions():
    x, y = np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(-0.5, 0.5, 7))
    return np.stack([x.ravel(), y.ravel()], axis=1)


@pytest.mark.parametrize("lens", LENSES)
def test_opencv_projects_to_the_same_pixels(lens):
    """OpenCV's pixel centers are at whole numbers, ours at +0.5."""
    rays = np.concatenate([directions(), np.ones((63, 1))], axis=1)[:, None]
    K = lens.K.copy()
    K[:2, 2] -= 0.5
    project = cv2.fisheye.projectPoints if lens.fisheye else cv2.projectPoints
    distortion = np.array([*lens.distortion, 0.0, 0.0, 0.0][: max(4, len(lens.distortion))])
    pixels = project(rays, np.zeros(3), np.zeros(3), K, distortion)[0].reshape(-1, 2) + 0.5
    np.testing.assert_allclose(lens.project(directions()), pixels, atol=1e-9)


def test_one_radial_term_by_hand():
    lens = Lens(160, 90, 100, 110, 80, 45, (0.5,))
    assert lens.project(np.array([1.0, 0.0])).tolist() == [80 + 100 * 1.5, 45]
    fisheye = Lens(160, 90, 100, 110, 80, 45, (), fisheye=True)  # y/z = 1 is at 45 degrees
    np.testing.assert_allclose(fisheye.project(np.array([0.0, 1.0])), [80, 45 + 110 * np.pi / 4])


@pytest.mark.parametrize("lens", LENSES)
def test_the_pinhole_is_the_widest_without_black_pixels(lens):
    K = lens.undistorted_K
    u, v = np.meshgrid(np.arange(160) + 0.5, np.arange(90) + 0.5)
    rays = np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1)
    seen = lens.project(rays)
    assert (seen >= 0).all() and (seen <= [160, 90]).all()
    # One percent wider, it would reach past the edge of the distorted image.
    past = lens.project(1.01 * rays)
    assert not ((past >= 0) & (past <= [160, 90])).all()
    assert K[0, 0] / 100 == pytest.approx(K[1, 1] / 110) or lens.fisheye
    np.testing.assert_array_equal(K[:2, 2], [82, 43])


def test_a_very_wide_fisheye_keeps_its_center():
    """The image spans 180 degrees: a pinhole that covers almost all of them would shrink the center to a dot."""
    lens = Lens(200, 200, 200 / np.pi, 200 / np.pi, 100, 100, (), fisheye=True)
    np.testing.assert_allclose(lens.undistorted_K[0, 0], 100 / np.pi)


def test_a_pinhole_keeps_its_intrinsics_exactly():
    lens = Lens(160, 90, 100.1, 110.3, 82, 43, (0.0, 0.0))
    assert lens.is_pinhole and lens == Lens(160, 90, 100.1, 110.3, 82, 43)
    np.testing.assert_array_equal(lens.undistorted_K, [[100.1, 0, 82], [0, 110.3, 43], [0, 0, 1]])


@pytest.mark.parametrize("k1", [-1.5, -3.0, -6.0])
def test_the_view_ends_where_the_lens_folds(k1):
    """Beyond the radius at which r (1 + k1 r^2) is largest, the model repeats the inner part of the image."""
    lens = Lens(160, 90, 100, 100, 80, 45, (k1,))
    K = lens.undistorted_K
    corner = np.linalg.norm([79.5 / K[0, 0], 44.5 / K[1, 1]])
    assert 0.9 < corner / np.sqrt(-1 / (3 * k1)) < 1.003


def test_invalid_distortion_is_reported():
    with pytest.raises(InputError, match="folds the image over"):
        _ = Lens(160, 90, 100, 100, 80, 45, (-300.0,)).undistorted_K
    with pytest.raises(InputError, match="must be positive"):
        _ = Lens(160, 90, 0, 100, 80, 45, (0.1,)).undistorted_K
    with pytest.raises(InputError, match="at most 4 finite numbers"):
        Lens(160, 90, 100, 100, 80, 45, (0.1,) * 5, fisheye=True)
    with pytest.raises(InputError, match="finite numbers"):
        Lens(160, 90, 100, 100, 80, 45, (np.nan,))


def test_cameras_of_several_sizes_get_the_most_common_size():
    small, large = Lens(80, 45, 50, 55, 40, 22), Lens(160, 90, 100, 110, 82, 43)
    cameras = pinhole_cameras(np.tile(np.eye(4), (3, 1, 1)), [small, large, large], str)
    assert (cameras.width, cameras.height) == (160, 90)
    np.testing.assert_array_equal(cameras.K[0], [[100, 0, 80], [0, 110, 44], [0, 0, 1]])
    np.testing.assert_array_equal(cameras.K[1], large.K)
    with pytest.raises(InputError, match=r"^frame 1: the lens distortion"):
        pinhole_cameras(
            np.tile(np.eye(4), (2, 1, 1)), [large, Lens(9, 9, 9, 9, 4, 4, (-300.0,))], lambda n: f"frame {n}"
        )


@given(
    k=st.tuples(*[st.floats(-0.3, 0.3)] * 2, *[st.floats(-0.01, 0.01)] * 2, *[st.floats(-0.1, 0.1)] * 4),
    center=st.tuples(st.floats(60, 100), st.floats(30, 60)),
    fisheye=st.booleans(),
)
def test_no_lens_leaves_black_pixels(k, center, fisheye):
    lens = Lens(160, 90, 100, 110, *center, k[:2] + k[4:6] if fisheye else k, fisheye)
    K = lens.undistorted_K
    u, v = np.meshgrid(np.arange(160) + 0.5, np.arange(90) + 0.5)
    seen = lens.project(np.stack([(u - K[0, 2]) / K[0, 0], (v - K[1, 2]) / K[1, 1]], axis=-1))
    assert (seen >= 0).all() and (seen <= [160, 90]).all()
    # Neighboring pixels keep their order: the image is not folded.
    assert (np.diff(seen[..., 0], axis=1) > 0).all() and (np.diff(seen[..., 1], axis=0) > 0).all()
