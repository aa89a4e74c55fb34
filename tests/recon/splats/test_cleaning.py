import numpy as np
import pytest
import torch

from recon.render import render
from recon.splats import Splats
from recon.splats.cleaning import contributions, decimated, finite, turn_and_center
from trajectories.cameras import Cameras, intrinsics_from_fov
from trajectories.rotations import look_at


@pytest.fixture
def camera():
    return Cameras(look_at([[0.0, -4.0, 0.0]], (0, 0, 0)), intrinsics_from_fov(np.radians(50), 24, 24), 24, 24)


def test_splats_that_are_not_finite_are_found(some_splats):
    splats = some_splats(1)
    splats.means[2, 1], splats.sh[4, 3, 0] = torch.nan, torch.inf
    assert finite(splats).tolist() == [True, True, False, True, False, True, True]


def test_contributions_are_the_blending_weights(some_splats, camera):
    """Splats of color 1: their weights add up to the image of all."""
    splats = some_splats(0)
    splats.sh[:] = 0.5 / 0.28209479177387814
    weights = contributions(splats, camera, np.zeros(1))
    assert weights.sum() == pytest.approx(float(render(splats, camera)[..., 0].sum()), rel=1e-3)


def test_a_splat_behind_an_opaque_one_contributes_little(camera):
    splats = Splats(
        torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, -9.0, 0.0]]),
        torch.tensor([[1.0, 0, 0, 0]]).repeat(3, 1),
        torch.full((3, 3), -1.0),
        torch.full((3,), 9.0),
        torch.zeros(3, 1, 3),
    )
    behind, front, out_of_view = contributions(splats, camera, np.zeros(1)).tolist()
    assert front > 3 * behind > 0 and out_of_view == 0
    assert torch.equal(decimated(splats, 2, torch.tensor([0.2, 0.1, 0.3])).means, splats.means[[0, 2]])


def test_center_rotate_scale_and_translate_in_this_order(some_splats):
    splats = some_splats(0)
    middle = splats.means.median(dim=0).values.double().numpy()
    move = turn_and_center(splats, (0.0, 0.0, np.pi / 2), 2.0, (0.0, 0.0, 1.0), center=True)
    np.testing.assert_allclose(move(middle), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(move(middle + np.array([1, 0, 0])), [0, 2, 1], atol=1e-12)
