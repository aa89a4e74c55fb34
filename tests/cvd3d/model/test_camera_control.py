import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cvd3d.model.camera_control import PoseEncoder, plucker
from cvd3d.model.epipolar import feature_pixels
from trajectories.cameras import Cameras


def test_rays_by_hand():
    """A camera at (1, 2, 3) with f = 2: o x d and d of the pixels (0.5, 1) and (1.5, 1) of a 2x2 image."""
    c2w = np.eye(4)
    c2w[:3, 3] = (1, 2, 3)
    rays = plucker(Cameras(c2w, [[2, 0, 0.5], [0, 2, 1], [0, 0, 1]], 2, 2), 1, 2)
    assert rays.shape == (6, 1, 2) and rays.dtype == torch.float32
    assert rays[:, 0, 0].tolist() == [2, -1, 0, 0, 0, 1]
    d = np.array([0.5, 0, 1]) / np.sqrt(1.25)
    assert np.allclose(rays[:, 0, 1], [2 * d[2], 3 * d[0] - d[2], -2 * d[0], *d])


@pytest.mark.slow
@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(1, 4), cols=st.integers(1, 4))
def test_a_ray_passes_through_its_pixel_and_its_moment_is_orthogonal(around, seed, rows, cols):
    cameras = around(seed, 3, 3)  # three of each: a cross product along the wrong axis would show
    rays = plucker(cameras, rows, cols)
    assert rays.shape == (3, 3, 6, rows, cols)
    moment, d = rays.flatten(3).movedim(2, -1).double().split(3, dim=-1)
    assert torch.allclose(d.norm(dim=-1), torch.ones(3, 3, rows * cols, dtype=torch.float64), atol=1e-6)
    assert (moment * d).sum(-1).abs().max() < 1e-5
    assert np.allclose(moment, np.cross(cameras.centers[..., None, :], d), atol=1e-5)
    pixels, depth = cameras.project(cameras.centers[..., None, :] + 3.0 * d.numpy())
    assert (depth > 0).all()
    assert np.allclose(pixels, feature_pixels(64, 96, rows, cols)[:, :2], atol=1e-3)


@pytest.fixture
def encoder():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return PoseEncoder((16, 24), unshuffle=2, blocks_per_scale=2, heads=4, max_frames=8).requires_grad_(False)


def test_there_is_a_feature_map_for_every_resolution(encoder):
    features = encoder(torch.randn(2, 3, 6, 8, 12))
    assert [tuple(f.shape) for f in features] == [(2, 3, 16, 4, 6), (2, 3, 24, 2, 3)]


def test_videos_do_not_mix_and_frames_do(encoder):
    rays = torch.randn(2, 3, 6, 4, 4)
    features = encoder(rays)
    for v in range(2):
        for together, alone in zip(features, encoder(rays[v : v + 1])):
            assert torch.allclose(together[v], alone[0], atol=1e-5)
    changed = rays.clone()
    changed[0, 2] += 1
    assert (encoder(changed)[0][0, 0] - features[0][0, 0]).abs().max() > 1e-4


def test_each_position_is_a_separate_sequence_of_frames(encoder):
    """The temporal blocks compared with a loop over spatial positions."""
    rays = torch.randn(2, 3, 6, 4, 6)
    x = encoder.conv_in(torch.nn.functional.pixel_unshuffle(rays.flatten(0, 1), 2))
    for resnet, block in zip(encoder.resnets[0], encoder.temporal[0]):
        x = resnet(x).unflatten(0, (2, 3))
        y = torch.empty_like(x)
        for v in range(2):
            for i in range(2):
                for j in range(3):
                    y[v, :, :, i, j] = block(x[v, :, :, i, j][None])[0]
        x = y.flatten(0, 1)
    assert torch.allclose(encoder(rays)[0], x.unflatten(0, (2, 3)), atol=1e-5)
