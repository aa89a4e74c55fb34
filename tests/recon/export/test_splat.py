import struct

import numpy as np
import torch

from recon.export.splat import write_splat
from recon.splats import SH_C0, Splats


def test_one_splat_by_hand(tmp_path):
    splats = Splats(
        means=torch.tensor([[1.0, -2.0, 0.5]]),
        quats=torch.tensor([[0.0, 0.0, 3.0, -3.0]]),
        log_scales=torch.tensor([[0.0, -1.0, 2.0]]),
        logit_opacities=torch.tensor([0.0]),
        sh=(torch.tensor([[[1.0, 0.2, -0.1]]]) - 0.5) / SH_C0,
    )
    write_splat(splats, tmp_path / "one.splat")
    row = struct.unpack("<6f8B", (tmp_path / "one.splat").read_bytes())
    np.testing.assert_allclose(row[:6], [1, -2, 0.5, 1, np.exp(-1), np.exp(2)], rtol=1e-6)
    assert row[6:10] == (255, 51, 0, 128)
    assert row[10:] == (128, 128, 219, 37)  # 128 +- 128 sqrt(1/2)


def test_the_large_and_opaque_come_first(tmp_path, some_splats):
    splats = some_splats(1, 50)
    write_splat(splats, tmp_path / "a.splat")
    content = (tmp_path / "a.splat").read_bytes()
    assert len(content) == 32 * 50
    rows = np.frombuffer(content, dtype=np.dtype([("f", "<f4", 6), ("b", "u1", 8)]))
    weight = rows["f"][:, 3:].prod(axis=1) * rows["b"][:, 3] / 255
    assert (np.diff(weight) < 0.01 * weight.max()).all()
    np.testing.assert_array_equal(np.sort(rows["f"][:, 0]), np.sort(splats.means[:, 0].numpy()))
