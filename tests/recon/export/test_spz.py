import gzip
import struct

import numpy as np
import pytest
import torch

from recon.export.spz import write_spz
from trajectories.errors import InputError


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_gsply_reads_it(tmp_path, degree, some_splats):
    gsply = pytest.importorskip("gsply")
    splats = some_splats(degree, 40)
    write_spz(splats, tmp_path / "splats.spz")
    back = gsply.read_spz(tmp_path / "splats.spz")
    np.testing.assert_allclose(back.means, splats.means.numpy(), atol=0.51 / 2**16)
    np.testing.assert_allclose(back.scales, splats.log_scales.numpy(), atol=0.51 / 16)
    opacities = 1 / (1 + np.exp(-np.ravel(back.opacities)))
    np.testing.assert_allclose(opacities, splats.logit_opacities.sigmoid().numpy(), atol=0.51 / 255)
    np.testing.assert_allclose(back.sh0, splats.sh[:, 0].numpy(), atol=0.51 / 255 / 0.15)
    quats = torch.nn.functional.normalize(splats.quats, dim=-1).numpy()
    same = np.abs((np.asarray(back.quats) * quats).sum(axis=1))
    np.testing.assert_allclose(same, 1, atol=1e-5)
    if degree:
        rest = np.reshape(back.shN, (40, -1, 3))
        np.testing.assert_allclose(rest, splats.sh[:, 1:].clamp(-1, 127 / 128).numpy(), atol=0.51 / 128)


def test_the_header_and_the_same_bytes_every_time(tmp_path, some_splats):
    for name in ("a.spz", "b.spz"):
        write_spz(some_splats(2, 5), tmp_path / name)
    content = (tmp_path / "a.spz").read_bytes()
    assert content == (tmp_path / "b.spz").read_bytes()
    assert content[4:8] == bytes(4)  # gzip's time stamp
    raw = gzip.decompress(content)
    assert struct.unpack("<IIIBBBB", raw[:16]) == (0x5053474E, 3, 5, 2, 16, 0, 0)
    assert len(raw) == 16 + 5 * (9 + 1 + 3 + 3 + 4 + 3 * 8)


def test_far_splats_get_fewer_binary_places(tmp_path, some_splats):
    gsply = pytest.importorskip("gsply")
    splats = some_splats(0, 3)
    splats.means[0] = torch.tensor([-8000.0, 5.0, 8191.0])
    write_spz(splats, tmp_path / "far.spz")
    np.testing.assert_allclose(gsply.read_spz(tmp_path / "far.spz").means, splats.means.numpy(), atol=0.51 / 2**10)
    splats.means[0, 0] = 1e8
    with pytest.raises(InputError, match=r"1e\+08 from the origin"):
        write_spz(splats, tmp_path / "too_far.spz")
    assert not (tmp_path / "too_far.spz").exists()
