import ast
import base64
import io
import json
import shutil
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recon.export.blender import write_blender
from trajectories.cameras import Cameras


def content_of(path):
    """The content of SCENE in the script, read without running it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SCENE":
            return json.loads(zlib.decompress(base64.b64decode(node.value.value)))
    raise AssertionError("The script has no SCENE.")


def test_the_script_contains_everything(tmp_path, small_capture):
    path = write_blender(small_capture, tmp_path / "scene.py", title="first")
    content = content_of(path)
    assert (content["title"], content["width"], content["height"], content["fps"]) == ("first", 16, 12, [2, 1.0])
    assert [camera["name"] for camera in content["cameras"]] == ["a", "b"]
    for n, camera in enumerate(content["cameras"]):
        c2w = np.array(camera["poses"]) * [1, -1, -1, 1]
        np.testing.assert_allclose(c2w, small_capture.cameras.c2w[2 * n : 2 * n + 2])
        K = small_capture.cameras.K[2 * n]
        np.testing.assert_allclose(camera["lens"], [[K[0, 0], K[1, 1], 8, 6]] * 2)
        with Image.open(io.BytesIO(base64.b64decode(camera["images"][1]))) as image:
            difference = np.asarray(image) / 255 - small_capture.image(2 * n + 1)
        assert np.abs(difference).mean() < 0.2  # noise, through JPEG's coarser colors
    positions = np.frombuffer(base64.b64decode(content["points"]["positions"]), "<f4").reshape(-1, 3)
    np.testing.assert_array_equal(positions, small_capture.points.positions)
    assert max(map(len, path.read_text().splitlines())) <= 120


def test_photos_become_a_camera_each(tmp_path, small_capture):
    photos = replace(small_capture, times=np.zeros(4), videos=("photos",) * 4, points=None)
    content = content_of(write_blender(photos, tmp_path / "scene.py"))
    assert [camera["name"] for camera in content["cameras"]] == [f"photos_{n:05d}" for n in range(4)]
    assert content["points"] == {"count": 0} and content["fps"] == [24, 1.0]


CHECK = """
import bpy, json, os
from bpy_extras.object_utils import world_to_camera_view
from mathutils import Vector
scene, seen, images = bpy.context.scene, [], []
for name in "ab":
    background = bpy.data.objects[name].data.background_images[0]
    files = sorted(os.listdir(os.path.dirname(background.image.filepath)))
    images.append([files, background.image.source, background.image_user.frame_duration])
    for frame in (1, 2):
        scene.frame_set(frame)
        seen.append(list(world_to_camera_view(scene, bpy.data.objects[name], Vector((0.1, -0.2, 0.3)))))
mesh = bpy.data.objects["points"].data
json.dump({
    "clock": [scene.render.fps / scene.render.fps_base, scene.frame_end], "seen": seen, "images": images,
    "points": [list(vertex.co) for vertex in mesh.vertices],
    "colors": [list(value.color) for value in mesh.attributes["color"].data],
}, open(OUT, "w"))
"""


@pytest.mark.skipif(shutil.which("blender") is None, reason="Blender is not installed")
def test_blender_runs_it_and_sees_the_points_where_our_cameras_do(tmp_path, small_capture):
    K = np.array(small_capture.cameras.K)
    K[:, 0, 2], K[:, 1, 2], K[:, 1, 1] = 7.0, 6.5, 1.2 * K[:, 1, 1]
    cameras = Cameras(small_capture.cameras.c2w, K, 16, 12)
    script = write_blender(replace(small_capture, cameras=cameras), tmp_path / "scene.py")
    (tmp_path / "check.py").write_text(CHECK.replace("OUT", repr(str(tmp_path / "found.json"))))
    words = ["blender", "--background", "--factory-startup", "--python", str(script), "--python"]
    subprocess.run([*words, str(tmp_path / "check.py")], check=True, timeout=300)
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["clock"] == [2, 2] and found["images"] == [[["00001.jpg", "00002.jpg"], "SEQUENCE", 2]] * 2
    np.testing.assert_allclose(found["points"], small_capture.points.positions)
    np.testing.assert_allclose(found["colors"], [[1, 0, 0, 1], [0, 0.2140411, 0, 1]], atol=1e-6)
    pixels, depths = cameras.project(np.array([[0.1, -0.2, 0.3]]))
    x, y, depth = np.array(found["seen"]).T
    np.testing.assert_allclose(np.stack([16 * x, 12 * (1 - y)], axis=1), pixels[:, 0], atol=1e-3)
    np.testing.assert_allclose(depth, depths[:, 0], atol=1e-5)
