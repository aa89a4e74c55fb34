import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from trajectories import Cameras
from trajectories.rotations import rigid


@pytest.fixture(scope="session")
def random_cameras():
    """A function that makes cameras (n,) with random poses and random intrinsics from a seed."""

    def make(seed: int, n: int, width: int = 160, height: int = 90) -> Cameras:
        rng = np.random.default_rng(seed)
        R = Rotation.from_quat(rng.normal(size=(n, 4))).as_matrix()
        K = np.zeros((n, 3, 3))
        K[:, 0, 0], K[:, 1, 1] = rng.uniform(20, 400, (2, n))
        K[:, 0, 2], K[:, 1, 2] = rng.uniform(0, width, n), rng.uniform(0, height, n)
        K[:, 2, 2] = 1
        return Cameras(rigid(R, rng.normal(scale=5, size=(n, 3))), K, width, height)

    return make
