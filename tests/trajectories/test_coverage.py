"""The distance to the nearest camera, by hand."""

import numpy as np
import pytest

from trajectories import Cameras, intrinsics_from_fov, look_at
from trajectories.coverage import distance_to_nearest, subject_of

K = intrinsics_from_fov(1.0, 100, 100)


def looking(eyes, at):
    return Cameras(look_at(eyes, at), K, 100, 100)


# Two cameras 4 m from a subject at height 1: in direction +x and in direction +y.
CAMERAS = looking([[4, 0, 1], [0, 4, 1]], [0, 0, 1])


def test_the_subject_is_where_the_axes_meet():
    np.testing.assert_allclose(subject_of(CAMERAS), [0, 0, 1], atol=1e-9)


def test_parallel_cameras_have_a_subject_in_front_of_them():
    # The centers are 3 m apart, and the mean center is at x = 1.5; the subject is 6 m in front of it.
    cameras = Cameras(np.stack([looking([x, 0, 0], [x, 9, 0]).c2w for x in (0.0, 3.0)]), K, 100, 100)
    np.testing.assert_allclose(subject_of(cameras), [1.5, 6, 0], atol=1e-9)


@pytest.mark.parametrize(
    "viewpoint, angle, meters, nearest",
    [
        ([4, 0, 1], 0, 0, 0),  # at a camera
        ([3, 0, 1], 0, 1, 0),  # nearer to the subject, from the same direction
        ([1, 3**0.5, 1], 30, (1 + (4 - 3**0.5) ** 2) ** 0.5, 1),  # 60 degrees from one, 30 from the other
        ([0, -4, 1], 90, 32**0.5, 0),  # 180 degrees from the second
        ([4, 0, 5], 45, 4, 0),  # above a camera
    ],
)
def test_distances_by_hand(viewpoint, angle, meters, nearest):
    found = distance_to_nearest(np.array(viewpoint), CAMERAS)
    assert found.angle == pytest.approx(angle, abs=1e-6)
    assert found.meters == pytest.approx(meters, abs=1e-9)
    assert found.nearest == nearest


def test_a_batch_of_viewpoints_around_a_given_subject():
    viewpoints = np.broadcast_to([4.0, 0, 1], (2, 5, 3))
    found = distance_to_nearest(viewpoints, CAMERAS.reshape(2, 1), subject=[4, 4, 1])
    assert found.angle.shape == found.meters.shape == found.nearest.shape == (2, 5)
    np.testing.assert_allclose(found.meters, 0)
