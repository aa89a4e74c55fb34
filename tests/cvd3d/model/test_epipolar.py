"""Lines and masks compared with hand-computed values, projected points and a slow loop."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.model.attention import attend
from cvd3d.model.epipolar import (
    epipolar_bias,
    epipolar_lines,
    feature_pixels,
    homography_bias,
)
from trajectories import InputError
from trajectories.cameras import Cameras
from trajectories.geometry import fundamental_matrix, homography_at_infinity
from trajectories.rotations import look_at

SEEDS = st.integers(0, 2**32 - 1)
K = np.array([[100.0, 0.0, 48.0], [0.0, 100.0, 32.0], [0.0, 0.0, 1.0]])


def at(*position, R=None):
    """A 96x64 camera; its axes are the world's unless R is given."""
    c2w = np.eye(4)
    c2w[:3, 3] = position
    c2w[:3, :3] = np.eye(3) if R is None else R
    return Cameras(c2w, K, 96, 64)


def homogeneous(pixels):
    return np.concatenate([pixels, np.ones((*pixels.shape[:-1], 1))], axis=-1)


def test_side_by_side_cameras_have_horizontal_lines_through_the_same_row():
    pixels = feature_pixels(64, 96, 4, 6)
    lines = epipolar_lines(at(0, 0, 0), at(1, 0, 0), pixels, np.zeros(()))
    lines = lines / lines[:, 1:2]
    assert np.allclose(lines, np.stack([np.zeros(24), np.ones(24), -pixels[:, 1]], axis=-1), atol=1e-9)


def test_the_bias_of_side_by_side_cameras_by_hand():
    """Rows lie 16 pixels apart, so d_max = 48 and tau = 3 / 32 * 48 = 4.5."""
    bias = epipolar_bias(at(0, 0, 0), at(1, 0, 0), 4, 6, np.zeros(())).reshape(4, 6, 4, 6)
    falls = [0.0, -3 * 11.5 / 4.5, -3 * 27.5 / 4.5, -3 * 43.5 / 4.5]
    rows = torch.tensor([[falls[abs(i - j)] for j in range(4)] for i in range(4)])
    assert torch.allclose(bias, rows[:, None, :, None].expand(4, 6, 4, 6), atol=1e-4)


@pytest.mark.parametrize(("rows", "cols", "width", "height"), [(3, 5, 96, 64), (5, 2, 40, 100), (4, 4, 32, 32)])
@pytest.mark.parametrize("offset", [0.0, -0.5])
def test_the_bias_agrees_with_a_slow_loop(around, rows, cols, width, height, offset):
    query, key = around(rows * 7 + cols, 2, width=width, height=height)
    F = fundamental_matrix(query, key)
    centers = [
        ((x + 0.5) * width / cols + offset, (y + 0.5) * height / rows + offset)
        for y in range(rows)
        for x in range(cols)
    ]
    distance = np.zeros((len(centers), len(centers)))
    for q, (x, y) in enumerate(centers):
        a, b, c = F @ (x, y, 1.0)
        for k, (u, v) in enumerate(centers):
            distance[q, k] = abs(a * u + b * v + c) / (np.hypot(a, b) + 1e-6)
    tau = 3 / (height // 2) * distance.max()
    expected = -np.maximum(0, distance - tau) * 3 / (tau + 1e-6)
    bias = epipolar_bias(query, key, rows, cols, np.zeros(()), pixel_offset=offset)
    assert bias.dtype == torch.float32
    assert np.abs(bias.numpy() - expected).max() < 1e-4
    assert bias.min() < -1  # the mask has an effect


def test_the_grid_is_at_pixel_centers_and_the_official_mask_half_a_pixel_before():
    assert feature_pixels(256, 256, 256, 256)[0].tolist() == [0.5, 0.5, 1.0]
    official = feature_pixels(256, 256, 32, 32, -0.5).reshape(32, 32, 3)
    assert official[2, 5].tolist() == [5 * 8 + 3.5, 2 * 8 + 3.5, 1.0]  # x s + (s - 1) / 2 with s = 8
    assert feature_pixels(64, 96, 2, 3)[4].tolist() == [48.0, 48.0, 1.0]


def test_identical_cameras_get_a_line_of_the_given_angle_through_the_pixel_itself():
    camera = at(0.3, -1, 2)
    flat = epipolar_bias(camera, camera, 4, 6, np.array(np.pi / 2)).reshape(4, 6, 4, 6)
    upright = epipolar_bias(camera, camera, 4, 6, np.array(0.0)).reshape(4, 6, 4, 6)
    for i in range(4):
        for j in range(6):
            assert ((flat[i, j] == 0) == (torch.arange(4) == i)[:, None]).all()
            assert ((upright[i, j] == 0) == (torch.arange(6) == j)[None]).all()


@given(seed=SEEDS, angle=st.floats(0, np.pi))
def test_cameras_with_one_center_map_through_the_homography_at_infinity(around, seed, angle):
    rng = np.random.default_rng(seed)
    query, other = around(seed, 2)
    turn = look_at(query.centers, rng.uniform(-0.5, 0.5, 3))
    key = Cameras(turn, other.K, 96, 64)
    pixels = feature_pixels(64, 96, 3, 4)
    origins, directions = query.rays(pixels[:, :2])
    projected, _ = key.project(origins + rng.uniform(1, 9, (12, 1)) * directions)
    mapped = pixels @ homography_at_infinity(query, key).T
    assert np.allclose(mapped[:, :2] / mapped[:, 2:], projected, atol=1e-6)
    lines = epipolar_lines(query, key, pixels, np.array(angle))
    assert np.allclose(lines[:, :2], (np.cos(angle), np.sin(angle)))
    assert np.abs((lines * homogeneous(projected)).sum(-1)).max() < 1e-6


def test_a_degenerate_pair_is_found_by_its_baseline_at_any_frame(around):
    query, key = around(0, 4), around(1, 4)
    c2w = key.c2w.copy()
    c2w[2, :3, 3] = query.centers[2] + 1e-8
    key = Cameras(c2w, key.K, 96, 64)
    pixels = feature_pixels(64, 96, 3, 4)
    one, two = (epipolar_lines(query, key, pixels, np.full(4, angle)) for angle in (0.0, 1.0))
    assert [bool((one[t] == two[t]).all()) for t in range(4)] == [True, True, False, True]
    assert np.allclose(two[2, :, :2], (np.cos(1.0), np.sin(1.0)))


@given(seed=SEEDS, degenerate=st.booleans(), rows=st.integers(1, 5), cols=st.integers(1, 5))
def test_the_bias_is_finite_and_bounded_for_any_cameras(around, seed, degenerate, rows, cols):
    rng = np.random.default_rng(seed)
    query, key = around(seed, 2)
    position = query.centers if degenerate else rng.normal(size=3)
    away = look_at(position, position + rng.normal(size=3))  # in a random direction, so that some lines miss its image
    bias = epipolar_bias(query, Cameras(away, key.K, 96, 64), rows, cols, np.array(rng.uniform(0, np.pi)))
    assert torch.isfinite(bias).all()
    assert (bias <= 0).all() and (bias >= -32).all()  # never below -height / 2, so no row is empty


def test_a_line_that_misses_the_image_leaves_the_nearest_keys():
    down = look_at([0.0, 0.0, 0.0], [0.2, 1.0, 0.0], up=(0, 0, 1))[:3, :3]
    query, key = at(0, 0, 0, R=down), at(1, 0, 0, R=look_at([0.0, 0, 0], [0.2, 1.0, 2.2])[:3, :3])
    pixels = feature_pixels(64, 96, 4, 6)
    lines = epipolar_lines(query, key, pixels, np.zeros(()))
    signed = (lines / np.linalg.norm(lines[:, :2], axis=-1, keepdims=True)) @ homogeneous(
        np.array([[0, 0], [96, 0], [0, 64], [96, 64]])
    ).T
    misses = (np.sign(signed) == np.sign(signed[:, :1])).all(axis=1)
    assert misses.any()
    bias = epipolar_bias(query, key, 4, 6, np.zeros(()))
    row = int(np.flatnonzero(misses)[0])
    weights = attend(torch.zeros(1, 1, 24, 1), torch.zeros(1, 1, 24, 1), torch.eye(24).view(1, 1, 24, 24), bias[None])
    assert torch.allclose(weights.sum(-1), torch.ones(1, 1, 24), atol=1e-5)
    distance = np.abs(lines @ pixels.T / np.linalg.norm(lines[:, :2], axis=-1, keepdims=True))
    best = weights[0, 0, row].max()
    assert weights[0, 0, row, distance[row].argmin()] == best > 0


def test_a_pixel_on_the_epipole_may_attend_anywhere():
    """If a camera moves straight forward, the pixel ahead has no line; all other pixels have one."""
    bias = epipolar_bias(at(0, 0, 0), at(0, 0, 1), 3, 3, np.zeros(()))
    assert torch.isfinite(bias).all()
    assert (bias[4] == 0).all()
    assert (bias[3].reshape(3, 3)[1] == 0).all() and (bias[3].reshape(3, 3)[0] < -3).all()


def test_lines_that_are_not_finite_name_the_camera():
    query = Cameras(np.stack([at(0, 0, 0).c2w, at(1e308, 0, 0).c2w]), np.stack([K, K]), 96, 64)
    key = Cameras(np.stack([at(1, 0, 0).c2w, at(-1e308, 0, 0).c2w]), np.stack([K, K]), 96, 64)
    with np.errstate(all="ignore"), pytest.raises(InputError, match=r"camera \[1\] are not finite"):
        epipolar_bias(query, key, 2, 2, np.zeros(2))


@given(seed=SEEDS, angle=st.floats(0, np.pi))
def test_a_rotation_about_the_center_is_its_homography(around, seed, angle):
    query, turned = around(seed, 2)
    c2w = turned.c2w.copy()
    c2w[:3, 3] = query.centers
    key = Cameras(c2w, turned.K, 96, 64)
    angles = np.array(angle)
    by_cameras = epipolar_bias(query, key, 4, 6, angles)
    by_matches = homography_bias(homography_at_infinity(query, key), 96, 64, 4, 6, angles)
    assert torch.allclose(by_cameras, by_matches, atol=1e-3)


def test_a_translation_moves_the_line():
    shift = np.array([[1.0, 0, 0], [0, 1, 16], [0, 0, 1]])  # one feature down
    bias = homography_bias(shift, 96, 64, 4, 6, np.array(np.pi / 2)).reshape(4, 6, 4, 6)
    for row in range(3):
        assert (bias[row, :, row + 1] == 0).all() and (bias[row, :, row] < 0).all()
