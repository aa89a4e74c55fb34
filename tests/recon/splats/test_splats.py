import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from recon.points import PointCloud
from recon.render import render
from recon.splats import SH_C0, Box, Sphere, Splats, from_points
from trajectories.cameras import Cameras
from trajectories.errors import InputError
from trajectories.rigs import make_rig
from trajectories.rotations import rigid
from trajectories.similarity import Similarity


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


def test_masks_indices_and_slices_select_splats(some_splats):
    splats = some_splats(1)
    mask = splats.opacities > splats.opacities.median()
    assert torch.equal(splats[mask].sh, splats.sh[mask]) and torch.equal(splats[mask.numpy()].quats, splats.quats[mask])
    assert torch.equal(splats[[6, 0]].means, splats.means[[6, 0]])
    assert torch.equal(splats[2:4].log_scales, splats.log_scales[2:4])
    assert len(splats[-1]) == 1 and torch.equal(splats[-1].logit_opacities, splats.logit_opacities[6:])
    with pytest.raises(IndexError):
        splats[torch.ones(3, dtype=torch.bool)]


def test_transformed_splats_and_cameras_give_the_same_image(some_splats):
    splats = some_splats(3)
    cameras = make_rig("static", 2, 1, width=24, height=16, target=(0, 0, 0)).cameras.reshape(-1)
    move = Similarity(Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix(), 2.5, (4, -3, 9))
    moved = Cameras(rigid(move.rotation @ cameras.R, move(cameras.centers)), cameras.K, 24, 16)
    before, after = render(splats, cameras), render(splats.transformed(move), moved)
    assert before.std() > 0.05
    torch.testing.assert_close(after, before, atol=5e-5, rtol=0)


def test_cropped_splats_are_those_whose_centers_are_inside(some_splats):
    splats = some_splats(0)
    assert torch.equal(splats.cropped(Sphere((0, 0, 0), 0.5)).means, splats.means[splats.means.norm(dim=1) <= 0.5])
    assert len(splats.cropped(Box((-9, -9, -9), (9, 9, 9)))) == 7


def test_saved_splats_are_loaded(tmp_path, some_splats):
    some_splats(2).save(tmp_path / "a.ply")
    assert torch.equal(Splats.load(tmp_path / "a.ply").sh, some_splats(2).sh)
    with pytest.raises(InputError, match=r"a\.spz: splats are saved as \.ply"):
        some_splats(2).save(tmp_path / "a.spz")


def test_the_repr_is_short(some_splats):
    assert repr(some_splats(2, 1234)) == "Splats(1,234, sh_degree=2, cpu)"
