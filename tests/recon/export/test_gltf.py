import json
import struct

import numpy as np
import pytest
import torch

from recon.export.gltf import linear_from_srgb, write_gltf
from recon.splats import SH_C0

KHR = "KHR_gaussian_splatting:"
KINDS = {5126: "<f4", 5121: "u1"}
SIZES = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}


def read_glb(path):
    """The JSON of a .glb, and the arrays of its first primitive's attributes."""
    content = path.read_bytes()
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", content)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    tree = json.loads(content[20 : 20 + size])
    start, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert kind == b"BIN\0" and start == tree["buffers"][0]["byteLength"] and size % 4 == start % 4 == 0
    buffer = content[28 + size :]
    arrays = {}
    for name, n in tree["meshes"][0]["primitives"][0]["attributes"].items():
        accessor = tree["accessors"][n]
        view = tree["bufferViews"][accessor["bufferView"]]
        part = buffer[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        arrays[name] = np.frombuffer(part, KINDS[accessor["componentType"]]).reshape(-1, SIZES[accessor["type"]])
        assert len(arrays[name]) == accessor["count"] and view["byteOffset"] % 4 == 0
    return tree, arrays


@pytest.mark.parametrize("degree", [0, 3])
def test_the_attributes_of_the_extension(tmp_path, degree, some_splats):
    splats = some_splats(degree, 9)
    write_gltf(splats, tmp_path / "splats.glb")
    tree, arrays = read_glb(tmp_path / "splats.glb")
    primitive = tree["meshes"][0]["primitives"][0]
    assert tree["extensionsUsed"] == ["KHR_gaussian_splatting"] and primitive["mode"] == 0
    assert primitive["extensions"]["KHR_gaussian_splatting"]["kernel"] == "ellipse"
    np.testing.assert_array_equal(arrays["POSITION"], splats.means.numpy())
    np.testing.assert_allclose(arrays[KHR + "SCALE"], splats.log_scales.exp().numpy(), rtol=1e-6)
    np.testing.assert_allclose(arrays[KHR + "OPACITY"][:, 0], splats.logit_opacities.sigmoid().numpy(), rtol=1e-6)
    quats = torch.nn.functional.normalize(splats.quats, dim=-1).numpy()
    np.testing.assert_allclose(arrays[KHR + "ROTATION"], quats[:, [1, 2, 3, 0]], atol=1e-6)
    np.testing.assert_array_equal(arrays[KHR + "SH_DEGREE_0_COEF_0"], splats.sh[:, 0].numpy())
    assert sum(name.startswith(KHR + "SH_") for name in arrays) == (degree + 1) ** 2
    if degree:
        np.testing.assert_array_equal(arrays[KHR + "SH_DEGREE_1_COEF_2"], splats.sh[:, 3].numpy())
        np.testing.assert_array_equal(arrays[KHR + "SH_DEGREE_3_COEF_0"], splats.sh[:, 9].numpy())
    assert tree["accessors"][primitive["attributes"]["POSITION"]]["min"] == splats.means.amin(0).tolist()


def test_trimesh_shows_its_points(tmp_path, some_splats):
    trimesh = pytest.importorskip("trimesh")
    splats = some_splats(1, 9)
    write_gltf(splats, tmp_path / "splats.glb")
    (points,) = trimesh.load(tmp_path / "splats.glb").geometry.values()
    np.testing.assert_array_equal(np.asarray(points.vertices, np.float32), splats.means.numpy())
    shown = linear_from_srgb(np.clip(0.5 + SH_C0 * splats.sh[:, 0].numpy(), 0, 1))
    np.testing.assert_allclose(np.asarray(points.colors)[:, :3] / 255, shown, atol=0.51 / 255)


def test_srgb_by_hand():
    np.testing.assert_allclose(
        linear_from_srgb(np.array([0, 0.04045, 0.5, 1])), [0, 0.0031308, 0.2140411, 1], atol=1e-6
    )
