import ast
import base64
import io
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recon.export.blender import write_blender


def content_of(path):
    """What the script holds in SCENE, found without running it."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SCENE":
            return json.loads(zlib.decompress(base64.b64decode(node.value.value)))
    raise AssertionError("The script has no SCENE.")


def test_all_is_inside(tmp_path, small_capture):
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
        assert np.abs(difference).mean() < 0.2  # noise, through JPEG's coarser colours
    positions = np.frombuffer(base64.b64decode(content["points"]["positions"]), "<f4").reshape(-1, 3)
    np.testing.assert_array_equal(positions, small_capture.points.positions)
    assert max(map(len, path.read_text().splitlines())) <= 120


def test_photos_become_a_camera_each(tmp_path, small_capture):
    photos = replace(small_capture, times=np.zeros(4), videos=("photos",) * 4, points=None)
    content = content_of(write_blender(photos, tmp_path / "scene.py"))
    assert [camera["name"] for camera in content["cameras"]] == [f"photos_{n:05d}" for n in range(4)]
    assert content["points"] == {"count": 0} and content["fps"] == [24, 1.0]


def test_blender_runs_it(tmp_path, small_capture):
    """Blender as a Python module sees the points where our cameras do."""
    bpy = pytest.importorskip("bpy", reason="bpy, Blender as a module, is not installed")
    from bpy_extras.object_utils import world_to_camera_view
    from mathutils import Vector

    K = np.array(small_capture.cameras.K)
    K[:, 0, 2], K[:, 1, 2], K[:, 1, 1] = 7.0, 6.5, 1.2 * K[:, 1, 1]
    capture = replace(small_capture, cameras=replace(small_capture.cameras, K=K))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    exec(compile(write_blender(capture, tmp_path / "scene.py").read_text(), "scene.py", "exec"), {})
    scene = bpy.context.scene
    assert (scene.render.fps / scene.render.fps_base, scene.frame_end) == (2, 2)
    mesh = bpy.data.objects["points"].data
    np.testing.assert_allclose([v.co for v in mesh.vertices], capture.points.positions)
    point = np.array([[0.1, -0.2, 0.3]])
    for n in range(4):
        scene.frame_set(n % 2 + 1)
        camera = bpy.data.objects["ab"[n // 2]]
        x, y, depth = world_to_camera_view(scene, camera, Vector(point[0]))
        (pixel,), (z,) = capture.cameras[n].project(point)
        np.testing.assert_allclose([16 * x, 12 * (1 - y), depth], [*pixel, z], atol=1e-3)
        background = camera.data.background_images[0]
        assert tuple(background.image.size) == (16, 12)
        assert background.image.source == "SEQUENCE" and background.image_user.frame_duration == 2
