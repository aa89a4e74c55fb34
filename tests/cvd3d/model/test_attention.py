import math

import pytest
import torch

from cvd3d.model import attention
from cvd3d.model.attention import Attention, attend, sinusoidal_positions


@pytest.mark.parametrize("masked", [False, True])
def test_the_plain_products_and_the_fused_kernel_agree(monkeypatch, masked):
    q, k, v = torch.randn(3, 2, 4, 5, 8), torch.randn(3, 2, 4, 7, 8), torch.randn(3, 2, 4, 7, 8)
    bias = -10 * torch.rand(2, 5, 7) if masked else None
    plain = attend(q[0], k[0], v[0], bias)
    monkeypatch.setattr(attention, "SMALL_SCORES", 0)
    assert torch.allclose(plain, attend(q[0], k[0], v[0], bias), atol=1e-6)


def test_a_bias_picks_the_key():
    bias = torch.full((1, 2, 3), -1e4)
    bias[0, 0, 2] = bias[0, 1, 1] = 0
    v = torch.tensor([[1.0], [2.0], [3.0]]).view(1, 1, 3, 1)
    assert attend(torch.randn(1, 1, 2, 1), torch.randn(1, 1, 3, 1), v, bias).flatten().tolist() == [3.0, 2.0]


def test_by_default_a_sequence_attends_to_itself():
    module, x = Attention(8, 2), torch.randn(2, 5, 8)
    assert torch.equal(module(x), module(x, x))
    assert sum(p.numel() for p in module.parameters()) == 4 * 8 * 8 + 8


def test_positions_by_hand():
    table = sinusoidal_positions(3, 4)
    assert table.shape == (1, 3, 4)
    expected = [math.sin(2), math.cos(2), math.sin(0.02), math.cos(0.02)]
    assert torch.allclose(table[0, 2], torch.tensor(expected), atol=1e-6)
