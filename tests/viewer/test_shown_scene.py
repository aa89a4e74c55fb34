import json

import numpy as np
import pytest
import torch
from PIL import Image

from recon.points import PointCloud, save_points
from recon.splats import Splats
from recon.splats.ply import save_splats
from trajectories import InputError
from trajectories.rig_file import save_rig
from trajectories.rigs import make_rig
from viewer.shown_scene import read_shown_scene


def test_a_rig_is_enough(tmp_path):
    rig = make_rig("orbit", 2, 3)
    save_rig(rig, tmp_path / "rig.json")
    scene = read_shown_scene(tmp_path)
    np.testing.assert_array_equal(scene.rig.cameras.c2w, rig.cameras.c2w)
    assert scene.frames(0, 0) is None
    assert scene.missing == ("starting points", "splats")
    assert scene.title == tmp_path.name and scene.prompt is None


def test_frames_are_found_by_view_and_number(tmp_path):
    rig = make_rig("orbit", 2, 3)
    save_rig(rig, tmp_path / "rig.json")
    folder = tmp_path / "images" / rig.names[1]
    folder.mkdir(parents=True)
    Image.new("RGB", (128, 128), (10, 20, 30)).save(folder / "00002.png")
    scene = read_shown_scene(tmp_path)
    np.testing.assert_array_equal(scene.frames(1, 2)[5, 5], [10, 20, 30])
    assert scene.frames(1, 1) is None
    (folder / "00001.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"00001\.png"):
        scene.frames(1, 1)


def test_points_and_prompt_without_a_rig(tmp_path):
    save_points(PointCloud(np.ones((2, 3)), np.zeros((2, 3)), "a test"), tmp_path / "points.ply")
    (tmp_path / "scene.json").write_text(json.dumps({"asked": {"prompt": "a red cube"}}))
    scene = read_shown_scene(tmp_path)
    assert len(scene.points.positions) == 2 and scene.rig is None
    assert scene.prompt == "a red cube"


@pytest.mark.parametrize("text", ["", "[]", '{"asked": 3}', '{"asked": {"prompt": 3}}'])
def test_a_scene_json_without_a_prompt(tmp_path, text):
    (tmp_path / "scene.json").write_text(text)
    scene = read_shown_scene(tmp_path)
    assert scene.prompt is None and scene.missing == ("cameras", "starting points", "splats")


def test_an_invalid_file_is_reported(tmp_path):
    (tmp_path / "rig.json").write_text("{")
    with pytest.raises(InputError, match=r"rig\.json"):
        read_shown_scene(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_splats_that_are_not_finite_are_refused_as_by_exports(tmp_path, value):
    splats = Splats(*(torch.ones(2, *shape) for shape in ((3,), (4,), (3,), (), (1, 3))))
    splats.means[1, 2] = value
    save_splats(splats, tmp_path / "splats.ply")
    with pytest.raises(InputError, match=r"splats\.ply has means that are not finite numbers"):
        read_shown_scene(tmp_path)


def test_distorted_images_are_shown_undistorted(tmp_path):
    def dataset(folder, k1):
        folder.mkdir()
        pixels = np.zeros((40, 60, 3), dtype=np.uint8)
        pixels[:, 50:] = 255
        Image.fromarray(pixels).save(folder / "a.png")
        frame = {"file_path": "a.png", "transform_matrix": np.eye(4).tolist()}
        lens = {"w": 60, "h": 40, "fl_x": 50, "fl_y": 50, "cx": 30, "cy": 20, "k1": k1}
        (folder / "transforms.json").write_text(json.dumps({**lens, "frames": [frame]}))
        return read_shown_scene(folder)

    plain, distorted = dataset(tmp_path / "plain", 0.0), dataset(tmp_path / "distorted", -0.3)
    assert (plain.frames(0, 0)[20, 50:] == 255).all() and (plain.frames(0, 0)[20, :50] == 0).all()
    # The edge at (50 - 30) / 50 in the distorted image is farther out in the undistorted one: r + k1 r^3 = 20.5 / 50.
    r = np.roots([-0.3, 0.0, 1.0, -20.5 / 50])
    r = r[np.isreal(r) & (r.real > 0)].real.min()
    edge = distorted.rig.cameras.K[0, 0, 0, 0] * r + 30
    row = distorted.frames(0, 0)[20, :, 0] / 255
    assert abs((60 - row.sum()) - edge) < 1.0
