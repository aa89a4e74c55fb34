import gzip
import struct

import numpy as np
import pytest
import torch

from recon.export.splat import write_splat
from recon.export.spz import write_spz
from recon.splats import Splats
from recon.splats.foreign_files import load_splat, load_spz
from trajectories import InputError


def rotation(quats: torch.Tensor) -> torch.Tensor:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(dim=1)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


@pytest.fixture
def splats() -> Splats:
    draw = torch.Generator().manual_seed(0)
    return Splats(
        means=torch.randn(50, 3, generator=draw),
        quats=torch.randn(50, 4, generator=draw),
        log_scales=torch.linspace(-4, 0, 150).reshape(50, 3),  # rising, because .splat files are sorted by size
        logit_opacities=torch.full((50,), 1.0),
        sh=0.5 * torch.randn(50, 4, 3, generator=draw),
    )


@pytest.mark.parametrize(("load", "write"), [(load_spz, write_spz), (load_splat, write_splat)])
def test_files_are_read_as_they_were_written(tmp_path, splats, load, write):
    write(splats, tmp_path / "a")
    read = load(tmp_path / "a")
    if load is load_splat:
        read = read.map(lambda tensor: tensor.flip(0))
    torch.testing.assert_close(read.means, splats.means, atol=1e-4, rtol=0)
    torch.testing.assert_close(read.log_scales, splats.log_scales, atol=0.04, rtol=0)
    torch.testing.assert_close(read.logit_opacities, splats.logit_opacities, atol=0.02, rtol=0)
    torch.testing.assert_close(read.sh[:, 0], splats.sh[:, 0], atol=0.02, rtol=0)
    torch.testing.assert_close(rotation(read.quats), rotation(splats.quats), atol=0.03, rtol=0)


def test_spz_version_2(tmp_path):
    """x = -1.5 with 12 fractional bits; a turn by 90 degrees about z."""
    fixed = struct.pack("<i", -6144)[:3] + bytes(6)
    turn = bytes([128, 128, round((np.sqrt(0.5) + 1) * 127.5)])
    body = fixed + bytes([255]) + bytes([128, 128, 128]) + bytes([160] * 3) + turn
    header = struct.pack("<IIIBBBB", 0x5053474E, 2, 1, 0, 12, 0, 0)
    (tmp_path / "a.spz").write_bytes(gzip.compress(header + body))
    read = load_spz(tmp_path / "a.spz")
    torch.testing.assert_close(read.means[0], torch.tensor([-1.5, 0, 0]))
    torch.testing.assert_close(rotation(read.quats)[0, :, 0], torch.tensor([0.0, 1.0, 0.0]), atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.splat", b"123", "3 bytes"),
        ("a.spz", b"not gzip", "damaged"),
        ("a.spz", gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, 9, 1, 0, 12, 0, 0)), "version 9"),
        ("a.spz", gzip.compress(struct.pack("<IIIBBBB", 0x5053474E, 3, 1, 0, 12, 0, 0)), "ends too early"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=sentence):
        (load_spz if name.endswith("spz") else load_splat)(tmp_path / name)
