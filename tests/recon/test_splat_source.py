import pytest
import torch

from recon.export.splat import write_splat
from recon.export.spz import write_spz
from recon.export.targets import TARGETS
from recon.splat_source import open_splats
from trajectories.errors import InputError


@pytest.mark.parametrize("axes", ["unreal", "web", "blender"])
def test_a_file_in_other_axes_is_turned_back(tmp_path, some_splats, axes):
    some_splats(1).transformed(TARGETS[axes].similarity).save(tmp_path / "other.ply")
    source = open_splats(tmp_path / "other.ply", axes)
    torch.testing.assert_close(source.splats.means, some_splats(1).means)
    torch.testing.assert_close(source.splats.log_scales, some_splats(1).log_scales)
    assert source.title == "other" and source.rig is None


def test_files_have_the_usual_axes_of_their_format_and_splats_ply_has_ours(tmp_path, some_splats):
    """A point at x, y, z of our world is at x, -z, y of a file with y down, and at x, z, -y of one with y up."""
    one = some_splats(0)
    one.means[0] = torch.tensor([1.0, -3.0, 2.0])
    one.save(tmp_path / "a.ply")
    one.save(tmp_path / "splats.ply")
    write_splat(one[[0]], tmp_path / "a.splat")
    write_spz(one, tmp_path / "a.spz")
    torch.testing.assert_close(open_splats(tmp_path / "splats.ply").splats.means[0], one.means[0])
    for name, point in (("a.ply", (1.0, 2.0, 3.0)), ("a.splat", (1.0, 2.0, 3.0)), ("a.spz", (1.0, -2.0, -3.0))):
        torch.testing.assert_close(open_splats(tmp_path / name).splats.means[0], torch.tensor(point))


def test_moving_splats_without_a_scene(tmp_path, moving_splats):
    moving_splats.save(tmp_path / "ball")
    source = open_splats(tmp_path / "ball")
    torch.testing.assert_close(source.splats.at(1.9).means, moving_splats.at(1.9).means)
    assert source.rig is None and source.folder is not None


def test_files_that_cannot_be_used(tmp_path, some_splats):
    splats = some_splats(0)
    splats[[]].save(tmp_path / "none.ply")
    splats.means[0, 0] = torch.nan
    splats.save(tmp_path / "nan.ply")
    for name, words in (("none", "holds no splats"), ("nan", "cvd3d clean"), ("missing", "There is no splat file")):
        with pytest.raises(InputError, match=words):
            open_splats(tmp_path / f"{name}.ply")
