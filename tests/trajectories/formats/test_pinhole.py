import numpy as np
import pytest

from trajectories import Cameras, InputError
from trajectories.formats.pinhole import matrix, parameters


def test_round_trip(random_cameras):
    cameras = random_cameras(0, 6).reshape(2, 3)
    assert parameters(cameras).shape == (2, 3, 4)
    np.testing.assert_array_equal(matrix(parameters(cameras)), cameras.K)
    np.testing.assert_array_equal(matrix([5, 6, 7, 8]), [[5, 0, 7], [0, 6, 8], [0, 0, 1]])


def test_skew_is_refused():
    K = np.array([[5, 0.1, 7], [0, 6, 8], [0, 0, 1]])
    with pytest.raises(InputError, match=r"skew of 0\.1"):
        parameters(Cameras(np.eye(4), K, 10, 10))
