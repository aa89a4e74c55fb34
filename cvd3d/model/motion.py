"""AnimateDiff's motion module as the released networks compute it, with CameraCtrl's pose features added."""

from __future__ import annotations

from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D
from torch import Tensor, nn


class MotionModule(AnimateDiffTransformer3D):
    """Two self-attentions over time at each spatial position.

    The class of diffusers computes group normalization over all frames. AnimateDiff, CameraCtrl and CVD normalize each
    frame separately (CVD.md, 1.4). `proj_out` and `qkv_merge` are initialized to zero, so a new module is the identity.
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
        """Apply attention over the frames of each video.

        Args:
            x: (V, T, C, h, w) features.
            pose: pose features of the same shape, or None.
        """
        V, T, C, h, w = x.shape
        y = self.proj_in(_frame_sequences(self.norm(x.flatten(0, 1)).unflatten(0, (V, T))))
        block = self.transformer_blocks[0]
        z = block.pos_embed(block.norm1(y))
        if pose is not None:
            z = z + self.qkv_merge(z + _frame_sequences(pose))
        y = y + block.attn1(z)
        y = y + block.attn2(block.pos_embed(block.norm2(y)))
        y = y + block.ff(block.norm3(y))
        y = self.proj_out(y).reshape(V, h, w, T, C).permute(0, 3, 4, 1, 2)
        return x + y


def _frame_sequences(x: Tensor) -> Tensor:
    """Reshape (V, T, C, h, w) to one sequence over time per spatial position, (V h w, T, C)."""
    V, T, C, h, w = x.shape
    return x.permute(0, 3, 4, 1, 2).reshape(V * h * w, T, C)
