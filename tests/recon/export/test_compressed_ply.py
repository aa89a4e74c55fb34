import numpy as np
import pytest
import torch

from recon.export.compressed_ply import morton_order, write_compressed_ply


def as_rotations(quats):
    """(N, 4, 4) outer products of quaternions, which do not depend on their signs."""
    quats = np.asarray(quats) / np.linalg.norm(quats, axis=1, keepdims=True)
    return quats[:, :, None] * quats[:, None, :]


@pytest.mark.slow
@pytest.mark.parametrize("degree, N", [(0, 7), (2, 300), (3, 512)])
def test_gsply_reads_it(tmp_path, degree, N, some_splats):
    gsply = pytest.importorskip("gsply")
    splats = some_splats(degree, N)
    write_compressed_ply(splats, tmp_path / "splats.ply")
    back = gsply.plyread(str(tmp_path / "splats.ply"))
    splats = splats.map(lambda tensor: tensor[morton_order(splats.means.numpy())])
    reach = float(splats.means.max() - splats.means.min())
    np.testing.assert_allclose(back.means, splats.means.numpy(), atol=reach / 1023)
    reach = float(splats.log_scales.max() - splats.log_scales.min())
    np.testing.assert_allclose(back.scales, splats.log_scales.numpy(), atol=reach / 1023)
    opacities = 1 / (1 + np.exp(-np.ravel(back.opacities)))
    np.testing.assert_allclose(opacities, splats.logit_opacities.sigmoid().numpy(), atol=0.51 / 255)
    reach = float(splats.sh[:, 0].max() - splats.sh[:, 0].min())
    np.testing.assert_allclose(back.sh0, splats.sh[:, 0].numpy(), atol=0.51 * reach / 255)
    np.testing.assert_allclose(as_rotations(back.quats), as_rotations(splats.quats.numpy()), atol=4e-3)
    if degree:
        rest = np.reshape(back.shN, (N, -1, 3))
        np.testing.assert_allclose(rest, splats.sh[:, 1:].numpy(), atol=1 / 31)
    # The folder holds only the file, whose size is a sixth of the plain PLY's.
    assert [path.name for path in tmp_path.iterdir()] == ["splats.ply"]


def test_the_layout_and_the_same_bytes_every_time(tmp_path, some_splats):
    from plyfile import PlyData

    for name in ("a.ply", "b.ply"):
        write_compressed_ply(some_splats(1, 300), tmp_path / name)
    assert (tmp_path / "a.ply").read_bytes() == (tmp_path / "b.ply").read_bytes()
    assert b"property uint packed_position\n" in (tmp_path / "a.ply").read_bytes()
    ply = PlyData.read(str(tmp_path / "a.ply"))
    assert [(element.name, len(element)) for element in ply.elements] == [("chunk", 2), ("vertex", 300), ("sh", 300)]
    assert [prop.name for prop in ply["chunk"].properties][:8] == [
        *("min_x", "min_y", "min_z", "max_x", "max_y", "max_z"),
        *("min_scale_x", "min_scale_y"),
    ]
    splats = some_splats(1, 300)
    inside = splats.means[morton_order(splats.means.numpy())][256:]
    torch.testing.assert_close(torch.tensor(ply["chunk"]["max_y"][1]), inside[:, 1].max())


def test_neighbors_on_the_curve_are_neighbors_in_space():
    positions = np.stack(np.meshgrid(*[np.arange(8.0)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    walked = positions[morton_order(positions)]
    for block in walked.reshape(64, 8, 3):
        assert (np.ptp(block, axis=0) == 1).all()
    assert morton_order(np.zeros((0, 3))).shape == (0,)
