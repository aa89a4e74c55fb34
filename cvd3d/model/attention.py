"""Multi-head attention with an additive bias that all heads share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SMALL_SCORES = 1 << 17  # up to this many scores, plain matrix products are faster than the fused kernel on a CPU


def attend(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(d) + bias) v.

    Args:
        q: (B, heads, N, d) queries.
        k: (B, heads, M, d) keys.
        v: (B, heads, M, d) values.
        bias: (B, N, M), added to the scores of every head.
    """
    if bias is not None:
        bias = bias.to(q.dtype).unsqueeze(1)
    if q.device.type == "cpu" and q.shape[-2] * k.shape[-2] <= SMALL_SCORES:
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return (scores if bias is None else scores + bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)


class Attention(nn.Module):
    """Multi-head attention: `to_q`, `to_k`, `to_v` without bias, `to_out` with one."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(dim, dim, bias=False)
        self.to_k = nn.Linear(dim, dim, bias=False)
        self.to_v = nn.Linear(dim, dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, x: Tensor, context: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Attend from x (B, N, C) to context (B, M, C), which is x by default, with an additive bias (B, N, M)."""
        context = x if context is None else context
        q, k, v = (
            project(y).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for project, y in ((self.to_q, x), (self.to_k, context), (self.to_v, context))
        )
        return self.to_out(attend(q, k, v, bias).transpose(1, 2).flatten(-2))


def sinusoidal_positions(length: int, dim: int) -> Tensor:
    """(1, length, dim) positional encoding, sines and cosines interleaved (Vaswani et al. 2017, section 3.5)."""
    position = torch.arange(length).unsqueeze(1)
    frequency = torch.exp(torch.arange(0, dim, 2) * (-torch.log(torch.tensor(10000.0)) / dim))
    table = torch.zeros(1, length, dim)
    table[0, :, 0::2] = torch.sin(position * frequency)
    table[0, :, 1::2] = torch.cos(position * frequency)
    return table
