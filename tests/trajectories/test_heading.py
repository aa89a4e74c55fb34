import numpy as np
import pytest

from trajectories import make_rig
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.heading import heading_turn
from trajectories.rotations import look_at


def camera(eye, target, up=(0.0, 0.0, 1.0)):
    pose = look_at(np.array(eye, dtype=float), np.array(target, dtype=float), up)
    return Cameras(pose, intrinsics_from_fov(1, 8, 8), 8, 8)


@pytest.mark.parametrize(
    ("eye", "expected"),
    [
        ((0, -3, 0), [[1, 0], [0, 1]]),  # looks along +y already
        ((-3, 0, 0), [[0, -1], [1, 0]]),  # along +x: a quarter turn to the left
        ((0, 3, 0), [[-1, 0], [0, -1]]),  # along -y: half a turn
        ((3, 0, 0), [[0, 1], [-1, 0]]),  # along -x: a quarter turn to the right
    ],
)
def test_the_turn_of_a_level_camera(eye, expected):
    turn = heading_turn(camera(eye, (0, 0, 0)))
    np.testing.assert_allclose(turn[:2, :2], expected, atol=1e-12)
    np.testing.assert_array_equal(turn[2:], np.eye(4)[2:])
    np.testing.assert_array_equal(turn[:2, 2:], 0)


def test_the_first_camera_then_looks_along_y_whatever_its_height():
    rig = make_rig("orbit", 3, 4, azimuth=0.7, elevation=0.5)
    forward = rig.cameras.transformed(heading_turn(rig.cameras)).forward
    np.testing.assert_allclose(forward[0, 0], [0, np.cos(0.5), -np.sin(0.5)], atol=1e-12)


def test_a_camera_that_looks_straight_down_gets_x_on_its_right():
    down = camera((0, 0, 3), (0, 0, 0), up=(1.0, 0.0, 0.0))
    turned = down.transformed(heading_turn(down))
    np.testing.assert_allclose(turned.R[:, 0], [1, 0, 0], atol=1e-9)
