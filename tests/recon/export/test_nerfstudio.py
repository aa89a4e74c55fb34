from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest

from recon.capture import load_capture
from recon.export.nerfstudio import write_dataset
from recon.points import PointCloud
from trajectories.errors import InputError


@pytest.fixture(scope="module")
def dataset(world, tmp_path_factory):
    capture = replace(world.capture, points=PointCloud([[0, 0, 0.6], [1, 2, 0]], [[1, 0, 0], [0, 1, 0]], "by hand"))
    folder = tmp_path_factory.mktemp("nerfstudio") / "scene"
    assert write_dataset(capture, folder) == folder / "transforms.json"
    return capture, folder


def test_round_trip(dataset):
    capture, folder = dataset
    back = load_capture(folder)
    np.testing.assert_allclose(back.cameras.c2w, capture.cameras.c2w, atol=1e-12)
    np.testing.assert_allclose(back.cameras.K, capture.cameras.K)
    np.testing.assert_array_equal(back.times, capture.times)
    assert back.videos == capture.videos
    np.testing.assert_array_equal(back.images(), capture.images())
    np.testing.assert_array_equal(back.points.positions, capture.points.positions)


def test_nothing_is_overwritten_or_left_incomplete(dataset, world, tmp_path):
    capture, folder = dataset
    with pytest.raises(InputError, match="not an empty folder"):
        write_dataset(capture, folder)
    broken = replace(capture, sources=(*capture.sources[:-1], replace(capture.sources[-1], path=tmp_path / "none.png")))
    with pytest.raises(InputError, match="missing"):
        write_dataset(broken, tmp_path / "scene")
    assert list(tmp_path.iterdir()) == []


def test_nerfstudio_reads_it(dataset):
    parser = pytest.importorskip(
        "nerfstudio.data.dataparsers.nerfstudio_dataparser",
        reason="nerfstudio is not installed; .ci/run installs it without its pins",
        exc_type=ImportError,
    )
    capture, folder = dataset
    # nerfstudio reads points with open3d, an optional dependency here.
    with_points = find_spec("open3d") is not None
    config = parser.NerfstudioDataParserConfig(
        data=folder, orientation_method="none", center_method="none", auto_scale_poses=False, load_3D_points=with_points
    )
    train = config.setup().get_dataparser_outputs("train")
    test = config.setup().get_dataparser_outputs("test")
    assert len(train.image_filenames) == 11 and len(test.image_filenames) == 1
    assert test.image_filenames[0].read_bytes() and test.image_filenames[0].name == "00000.png"
    opengl = train.cameras.camera_to_worlds.numpy()
    expected = np.delete(capture.cameras.c2w, 4, axis=0)[:, :3] * [1, -1, -1, 1]
    np.testing.assert_allclose(opengl, expected, atol=1e-6)
    np.testing.assert_allclose(train.cameras.fx.numpy()[:, 0], capture.cameras.K[0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(train.cameras.cx.numpy()[:, 0], 48.0)
    if with_points:
        np.testing.assert_allclose(train.metadata["points3D_xyz"].numpy(), capture.points.positions, atol=1e-6)
        np.testing.assert_array_equal(train.metadata["points3D_rgb"].numpy(), [[255, 0, 0], [0, 255, 0]])
