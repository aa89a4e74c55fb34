from dataclasses import replace

import numpy as np
import pytest

from recon.capture import load_capture
from recon.export.colmap import write_colmap
from trajectories.errors import InputError
from trajectories.formats.colmap import read_model

NAMES = ["a/00000.png", "a/00001.png", "b/00000.png", "b/00001.png"]


def test_round_trip_binary_and_text(tmp_path, small_capture):
    model = write_colmap(small_capture, tmp_path / "out")
    assert model == tmp_path / "out" / "sparse" / "0"
    back = load_capture(tmp_path / "out")
    np.testing.assert_allclose(back.cameras.c2w, small_capture.cameras.c2w, atol=1e-12)
    np.testing.assert_allclose(back.cameras.K, small_capture.cameras.K)
    np.testing.assert_array_equal(back.images(), small_capture.images())
    np.testing.assert_array_equal(back.points.positions, small_capture.points.positions)
    np.testing.assert_allclose(back.points.colors, small_capture.points.colors, atol=0.51 / 255)
    for binary in model.glob("*.bin"):
        binary.unlink()
    text = read_model(model)
    assert list(text.names) == NAMES
    np.testing.assert_allclose(text.cameras.c2w, small_capture.cameras.c2w, atol=1e-12)


@pytest.mark.parametrize("kind", ["binary", "text"])
def test_pycolmap_reads_it(tmp_path, small_capture, kind):
    pycolmap = pytest.importorskip("pycolmap", reason="pycolmap is not installed")
    model = write_colmap(small_capture, tmp_path / "out")
    if kind == "text":
        for binary in model.glob("*.bin"):
            binary.unlink()
    read = pycolmap.Reconstruction(str(model))
    assert (read.num_cameras(), read.num_images(), read.num_points3D()) == (1, 4, 2)
    images = sorted(read.images.values(), key=lambda image: image.name)
    assert [image.name for image in images] == NAMES
    for n, image in enumerate(images):
        w2c = small_capture.cameras.viewmats[n]
        pose = image.cam_from_world() if callable(image.cam_from_world) else image.cam_from_world
        np.testing.assert_allclose(pose.matrix(), w2c[:3], atol=1e-12)
        np.testing.assert_allclose(image.camera.calibration_matrix(), small_capture.cameras.K[n])
        expected, _ = small_capture.cameras[n].project(np.array([[0, 0, 0.6]]))
        np.testing.assert_allclose(image.camera.img_from_cam(pose * np.array([[0, 0, 0.6]])), expected, atol=1e-9)
    points = sorted(read.points3D.values(), key=lambda point: point.xyz[0])
    np.testing.assert_allclose([point.xyz for point in points], small_capture.points.positions, atol=1e-7)
    np.testing.assert_array_equal([point.color for point in points], [[255, 0, 0], [0, 128, 0]])


def test_no_points_and_no_incomplete_folder(tmp_path, small_capture):
    bare = replace(small_capture, points=None)
    write_colmap(bare, tmp_path / "bare")
    assert load_capture(tmp_path / "bare").points is None
    missing = replace(bare.sources[3], path=tmp_path / "none.png")
    with pytest.raises(InputError, match=r"none.png is missing"):
        write_colmap(replace(bare, sources=(*bare.sources[:3], missing)), tmp_path / "half")
    with pytest.raises(InputError, match="not an empty folder"):
        write_colmap(bare, tmp_path / "bare")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bare", "frames"]
