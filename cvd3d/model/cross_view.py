"""The cross-view synchronization module (CVSM): each video attends to its partner along epipolar lines."""

from __future__ import annotations

import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn

from cvd3d.model.attention import Attention


class CrossViewModule(nn.Module):
    """Two masked cross-attentions from every frame of a video to the same frame of its partner (CVD, section 3.2).

    A new module is the identity: `proj_out` is initialized to zero.
    """

    def __init__(self, channels: int, heads: int, norm_num_groups: int = 32) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(norm_num_groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.attn2 = Attention(channels, heads)
        self.norm3 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels, activation_fn="geglu")
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor, partners: Tensor, bias: Tensor, scale: float = 1.0) -> Tensor:
        """Synchronize the videos.

        Args:
            x: (V, T, C, h, w) features.
            partners: (V,) index of the video that each one attends to; -1 leaves a video unchanged.
            bias: (V, T, h*w, h*w) epipolar bias from each video to its partner.
            scale: factor of the module's output; 0 disables it.
        """
        V, T, C, h, w = x.shape
        keys = partners.clamp_min(0)
        flat_bias = bias.reshape(V * T, h * w, h * w)
        y = self.norm(x.reshape(V * T, C, h, w)).flatten(2).transpose(1, 2)
        y = self.proj_in(y)
        for norm, attention in ((self.norm1, self.attn1), (self.norm2, self.attn2)):
            z = norm(y)
            context = z.unflatten(0, (V, T))[keys].flatten(0, 1)
            y = y + attention(z, context, flat_bias)
        y = y + self.ff(self.norm3(y))
        y = self.proj_out(y).transpose(1, 2).reshape(x.shape)
        weight = torch.where(partners >= 0, scale, 0.0).to(x.dtype)
        return x + weight.view(V, 1, 1, 1, 1) * y
