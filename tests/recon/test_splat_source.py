import pytest
import torch

from recon.export.targets import TARGETS
from recon.splat_source import open_splats
from trajectories.errors import InputError


def test_a_file_in_other_axes_is_turned_back(tmp_path, some_splats):
    axes = TARGETS["unreal"].similarity
    some_splats(1).transformed(axes).save(tmp_path / "a.ply")
    source = open_splats(tmp_path / "a.ply", axes)
    torch.testing.assert_close(source.splats.means, some_splats(1).means)
    torch.testing.assert_close(source.splats.log_scales, some_splats(1).log_scales)
    assert source.title == "a" and source.rig is None


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
