"""Two small cameras, and a capture with them."""

import numpy as np
import pytest
from PIL import Image

from recon.capture import Capture, ImageFile
from recon.points import PointCloud
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


@pytest.fixture
def two_cameras():
    """Two 16x12 cameras that look at the origin."""
    K = intrinsics_from_fov(np.radians(50), 16, 12)
    return Cameras(look_at([[2.0, -2.5, 1.0], [-2.5, -1.0, 0.4]], target=(0, 0, 0)), K, 16, 12)


@pytest.fixture
def small_capture(tmp_path, two_cameras):
    """Two videos, a and b, of two 16x12 frames each, with two points."""
    c2w = np.concatenate([two_cameras.c2w, two_cameras.c2w])[[0, 2, 1, 3]]
    c2w[1::2, :3, 3] *= 1.1
    cameras = Cameras(c2w, two_cameras.K[0], 16, 12)
    sources = []
    for n in range(4):
        path = tmp_path / "frames" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        pixels = np.random.default_rng(n).integers(0, 256, (12, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(path)
        sources.append(ImageFile(path))
    points = PointCloud([[0, 0, 0.6], [1, 2, 0]], [[1, 0, 0], [0, 0.5, 0]], "by hand")
    return Capture(cameras, np.array([0.5, 1.0, 0.5, 1.0]), ("a", "a", "b", "b"), tuple(sources), points)
