"""Coverage of the latents' grid by the discs around objects."""

import numpy as np
import pytest

from cvd3d.training.world.coverage import object_coverage
from cvd3d.training.world.scenes import BOUNCING, Object, World
from trajectories import Cameras, look_at

BALL = Object("ball", "red", (0.0, 0.0), 0.0, 1.0)  # of radius 0.5 around (0, 0, 0.5)
RADIUS = 0.5 * 3**0.5  # of the sphere around its box


def covered(eye, target=(0.0, 0.0, 0.5), thing=BALL, times=(0.0,), size=(160, 160), cells=(16, 16)):
    width, height = size
    K = [[100.0, 0.0, width / 2], [0.0, 100.0, height / 2], [0.0, 0.0, 1.0]]
    cameras = Cameras(np.repeat(look_at(eye, target)[None], len(times), axis=0), K, width, height)
    return object_coverage(World((thing,)), cameras, np.array(times), *cells)


def test_a_ball_in_the_middle_covers_a_disc_of_the_radius_computed_by_hand():
    (grid,) = covered((0.0, -5.0, 0.5))
    # 100 pixels of focal length, 5 m away, 10 pixels a cell: the radius is 2 RADIUS cells around (8, 8).
    y, x = np.indices((16, 16)) + 0.5
    expected = np.clip(2 * RADIUS - np.hypot(x - 8, y - 8) + 0.5, 0, 1)
    np.testing.assert_allclose(grid, expected, atol=1e-12)
    assert grid[7:9, 7:9].min() == 1 and grid[8, 10] == pytest.approx(0, abs=0.2) and grid[0].max() == 0


def test_nothing_is_covered_behind_the_camera():
    assert covered((0.0, -5.0, 0.5), target=(0.0, -9.0, 0.5)).max() == 0


def test_the_disc_scales_with_the_width_of_the_picture():
    (grid,) = covered((1.0, -5.0, 0.5), target=(1.0, 0.0, 0.5), size=(320, 160), cells=(8, 8))
    # The ball is 1 m left of the axis: at pixel 160 - 20, which is cell 3.5 of 8.
    assert np.unravel_index(grid.argmax(), grid.shape)[1] == 3
    np.testing.assert_allclose(grid, grid[::-1], atol=1e-12)


def test_the_disc_follows_a_bouncing_object():
    ball = Object("ball", "red", (0.0, 0.0), 0.0, 1.0, BOUNCING)
    low, high = covered((0.0, -5.0, 0.5), thing=ball, times=(0.0, 0.5))
    rows = np.arange(16) + 0.5
    below, above = ((grid.sum(axis=1) @ rows) / grid.sum() for grid in (low, high))
    assert below == pytest.approx(8) and above == pytest.approx(8 - 0.6 * 20 / 10, abs=0.02)
