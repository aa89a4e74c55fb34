"""AnimateDiff's motion module as the released networks compute it, with CameraCtrl's pose injected."""

from __future__ import annotations

from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn


class MotionModule(AnimateDiffTransformer3D):
    """Two self-attentions over time at each place.

    diffusers' own class pools the group normalization over frames; AnimateDiff, CameraCtrl and CVD normalize each
    frame by itself (CVD.md, 1.4). A fresh module changes nothing, and neither does a fresh `qkv_merge`.
    """

    def __init__(self, channels: int, heads: int, max_frames: int, norm_num_groups: int = 32) -> None:
        super().__init__(
            num_attention_heads=heads,
            attention_head_dim=channels // heads,
            in_channels=channels,
            norm_num_groups=norm_num_groups,
            positional_embeddings="sinusoidal",
            num_positional_embeddings=max_frames,
        )
        self.qkv_merge = nn.Linear(channels, channels)
        for layer in (self.proj_out, self.qkv_merge):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, pose: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """Mix the frames of each video: x (V, T, C, h, w) and pose features of that shape, or none."""
        V, T, C, h, w = x.shape
        y = self.proj_in(_by_place(self.norm(x.flatten(0, 1)).unflatten(0, (V, T))))
        block = self.transformer_blocks[0]
        z = block.pos_embed(block.norm1(y))
        if pose is not None:
            z = z + self.qkv_merge(z + _by_place(pose))
        y = y + block.attn1(z)
        y = y + block.attn2(block.pos_embed(block.norm2(y)))
        y = y + block.ff(block.norm3(y))
        y = self.proj_out(y).reshape(V, h, w, T, C).permute(0, 3, 4, 1, 2)
        return x + y


def _by_place(x: Tensor) -> Tensor:
    """(V, T, C, h, w) to one sequence of frames for each place: (V h w, T, C)."""
    V, T, C, h, w = x.shape
    return x.permute(0, 3, 4, 1, 2).reshape(V * h * w, T, C)
