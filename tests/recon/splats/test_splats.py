import numpy as np
import pytest
import torch

from recon.points import PointCloud
from recon.splats import SH_C0, from_points
from trajectories.errors import InputError


def grid(side=4, gap=0.5):
    axis = gap * np.arange(side)
    positions = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return PointCloud(positions, np.random.default_rng(0).random((len(positions), 3)), "a grid")


def test_splats_of_a_grid_are_as_large_as_its_gaps():
    splats = from_points(grid(gap=0.5), 2, torch.Generator().manual_seed(0))
    torch.testing.assert_close(splats.log_scales.exp(), torch.full((64, 3), 0.5))
    torch.testing.assert_close(splats.logit_opacities.sigmoid(), torch.full((64,), 0.1))
    torch.testing.assert_close(0.5 + SH_C0 * splats.sh[:, 0], torch.from_numpy(grid().colors.copy()))
    assert splats.sh.shape == (64, 9, 3) and not splats.sh[:, 1:].any()
    assert splats.sh_degree == 2


def test_same_seed_same_splats():
    one, two = (from_points(grid(), 1, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one.quats, two.quats)


def test_points_in_one_place_get_a_size():
    points = PointCloud(np.zeros((5, 3)), np.zeros((5, 3)), "")
    assert from_points(points, 0, torch.Generator()).log_scales.isfinite().all()


def test_still_splats_return_themselves():
    splats = from_points(grid(), 0, torch.Generator())
    assert splats.at(1.5) is splats


def test_one_point_is_too_few():
    with pytest.raises(InputError, match="at least two"):
        from_points(PointCloud([[0, 0, 0]], [[0, 0, 0]], ""), 0, torch.Generator())
