from dataclasses import fields

import numpy as np
import pytest
import torch

from recon.export.compressed_ply import write_compressed_ply
from recon.points import PointCloud, load_points, save_points
from recon.splats import Splats
from recon.splats.ply import load_splats, save_splats
from trajectories.errors import InputError


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_round_trip_is_exact(tmp_path, degree, some_splats):
    splats = some_splats(degree)
    save_splats(splats, tmp_path / "splats.ply")
    back = load_splats(tmp_path / "splats.ply")
    for field in fields(Splats):
        assert torch.equal(getattr(back, field.name), getattr(splats, field.name)), field.name
    assert [path.name for path in tmp_path.iterdir()] == ["splats.ply"]


def test_plyfile_finds_the_layout(tmp_path, some_splats):
    from plyfile import PlyData

    splats = some_splats(1)
    save_splats(splats, tmp_path / "splats.ply")
    vertices = PlyData.read(str(tmp_path / "splats.ply"))["vertex"]
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *(f"f_rest_{i}" for i in range(9))]
    names += ["opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]
    assert [prop.name for prop in vertices.properties] == names
    # Red's three coefficients come first, then green's.
    np.testing.assert_array_equal(vertices["f_rest_2"], splats.sh[:, 3, 0].numpy())
    np.testing.assert_array_equal(vertices["f_rest_3"], splats.sh[:, 1, 1].numpy())
    np.testing.assert_array_equal(vertices["rot_0"], splats.quats[:, 0].numpy())


def test_gsply_reads_the_same(tmp_path, some_splats):
    gsply = pytest.importorskip("gsply")
    splats = some_splats(3)
    save_splats(splats, tmp_path / "splats.ply")
    data = gsply.plyread(str(tmp_path / "splats.ply"))
    np.testing.assert_array_equal(data.means, splats.means.numpy())
    np.testing.assert_array_equal(data.quats, splats.quats.numpy())
    np.testing.assert_array_equal(data.scales, splats.log_scales.numpy())
    np.testing.assert_array_equal(np.ravel(data.opacities), splats.logit_opacities.numpy())
    np.testing.assert_array_equal(data.sh0, splats.sh[:, 0].numpy())
    np.testing.assert_array_equal(np.reshape(data.shN, (-1, 15, 3)), splats.sh[:, 1:].numpy())


def test_bad_input(tmp_path):
    with pytest.raises(InputError, match="no splat file"):
        load_splats(tmp_path / "none.ply")
    (tmp_path / "text.ply").write_text("hello")
    with pytest.raises(InputError, match="does not hold Gaussian splats"):
        load_splats(tmp_path / "text.ply")
    save_points(PointCloud([[0, 0, 0]], [[1, 1, 1]], "points"), tmp_path / "points.ply")
    with pytest.raises(InputError, match="does not hold Gaussian splats"):
        load_splats(tmp_path / "points.ply")


def test_a_file_that_ends_early_or_holds_other_properties_is_refused(tmp_path, some_splats):
    path = tmp_path / "splats.ply"
    save_splats(some_splats(4), path)
    with pytest.raises(InputError, match="72 f_rest properties fit no spherical harmonics of degree 0 to 3"):
        load_splats(path)
    save_splats(some_splats(1), path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"property float f_rest_8\n", b"property float shine\n"))
    with pytest.raises(InputError, match="8 f_rest properties fit no spherical harmonics"):
        load_splats(path)
    path.write_bytes(content.replace(b"property float f_rest_8\n", b"property float f_rest_9\n"))
    with pytest.raises(InputError, match=r"no field of name f_rest_8.*; write it again in that layout"):
        load_splats(path)
    path.write_bytes(content[:-7])
    with pytest.raises(InputError, match=r"splats\.ply is damaged \(.*early end-of-file\); copy it again"):
        load_splats(path)
    path.write_bytes(content.replace(b"property float opacity\n", b"property float density\n"))
    with pytest.raises(InputError, match="it has no opacity"):
        load_splats(path)


def test_other_splat_files_are_refused(tmp_path, some_splats):
    write_compressed_ply(some_splats(1), tmp_path / "compressed.ply")
    with pytest.raises(InputError, match="it has no x, y, z"):
        load_splats(tmp_path / "compressed.ply")


@pytest.mark.parametrize("layout", ["binary_little_endian", "ascii"])
@pytest.mark.parametrize("count", [10**10, 10**20])
def test_more_splats_than_memory_are_refused_before_they_are_read(tmp_path, some_splats, layout, count):
    path = tmp_path / "splats.ply"
    save_splats(some_splats(1), path)
    content = path.read_bytes().replace(b"binary_little_endian", layout.encode())
    path.write_bytes(
        content.replace(f"element vertex {len(some_splats(1))}".encode(), f"element vertex {count}".encode())
    )
    with pytest.raises(InputError, match=rf"splats\.ply declares {count} vertices, which need .* GB of memory"):
        load_splats(path)
    with pytest.raises(InputError, match="more than this machine has; reduce their number"):
        load_points(path)


def test_other_properties_are_ignored(tmp_path, some_splats):
    from plyfile import PlyData, PlyElement

    splats = some_splats(1)
    save_splats(splats, tmp_path / "splats.ply")
    vertices = PlyData.read(str(tmp_path / "splats.ply"))["vertex"].data
    wider = np.zeros(len(vertices), dtype=[("label", "u1"), *vertices.dtype.descr])
    for name in vertices.dtype.names:
        wider[name] = vertices[name]
    PlyData([PlyElement.describe(wider, "vertex")]).write(str(tmp_path / "wider.ply"))
    back = load_splats(tmp_path / "wider.ply")
    assert torch.equal(back.sh, splats.sh) and torch.equal(back.quats, splats.quats)
