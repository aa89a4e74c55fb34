import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recon.export.dnerf import lens_is_simple, write_dnerf
from trajectories.cameras import Cameras
from trajectories.errors import InputError


def test_lists_times_and_blender_axes(tmp_path, small_capture):
    assert write_dnerf(small_capture, tmp_path / "out", hold_out=3) == tmp_path / "out" / "transforms_train.json"
    train, val, test = (
        json.loads((tmp_path / "out" / f"transforms_{name}.json").read_text()) for name in ("train", "val", "test")
    )
    assert [frame["file_path"] for frame in train["frames"]] == [
        *("./images/a/00000", "./images/b/00000", "./images/b/00001"),
    ]
    assert [frame["file_path"] for frame in test["frames"]] == ["./images/a/00001"] and val == test
    assert [frame["time"] for frame in train["frames"]] == [0.0, 0.0, 1.0]
    pose, ours = np.array(train["frames"][1]["transform_matrix"]), small_capture.cameras.c2w[2]
    np.testing.assert_allclose(pose[:3, 0], ours[:3, 0])
    np.testing.assert_allclose(pose[:3, 1:3], -ours[:3, 1:3])  # y up, looking along -z
    np.testing.assert_allclose(pose[:3, 3], ours[:3, 3])
    assert train["camera_angle_x"] == pytest.approx(2 * np.arctan(8 / small_capture.cameras.K[0, 0, 0]))
    with Image.open(tmp_path / "out" / "images" / "b" / "00001.png") as image:
        np.testing.assert_array_equal(np.asarray(image) / np.float32(255), small_capture.image(3))


def test_too_few_to_hold_out_and_a_scene_without_time(tmp_path, small_capture):
    write_dnerf(replace(small_capture, times=np.zeros(4)), tmp_path / "out", hold_out=0)
    for name in ("train", "val", "test"):
        frames = json.loads((tmp_path / "out" / f"transforms_{name}.json").read_text())["frames"]
        assert len(frames) == 4 and {frame["time"] for frame in frames} == {0.0}


def test_nerfstudio_reads_it(tmp_path, small_capture):
    parser = pytest.importorskip(
        "nerfstudio.data.dataparsers.dnerf_dataparser",
        reason="nerfstudio is not installed; .ci/run installs it without its pins",
        exc_type=ImportError,
    )
    write_dnerf(small_capture, tmp_path / "out", hold_out=3)
    read = parser.DNeRFDataParserConfig(data=tmp_path / "out").setup().get_dataparser_outputs("train")
    np.testing.assert_array_equal(read.cameras.times.numpy().ravel(), [0, 0, 1])
    np.testing.assert_allclose(read.cameras.fx.numpy(), small_capture.cameras.K[0, 0, 0], rtol=1e-5)
    np.testing.assert_allclose(
        read.cameras.camera_to_worlds.numpy(), (small_capture.cameras.c2w * [1, -1, -1, 1])[[0, 2, 3], :3], atol=1e-6
    )
    assert all(path.is_file() for path in read.image_filenames)


def test_unsupported_lenses_are_refused(tmp_path, small_capture):
    assert lens_is_simple(small_capture)
    K = np.array(small_capture.cameras.K)
    K[:, 0, 2] += 0.5
    cameras = small_capture.cameras
    assert not lens_is_simple(replace(small_capture, cameras=Cameras(cameras.c2w, K, 16, 12)))
    K[2, 0, 0] *= 2
    with pytest.raises(InputError, match="one lens for all frames"):
        write_dnerf(replace(small_capture, cameras=Cameras(cameras.c2w, K, 16, 12)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
