"""Camera conditioning of CameraCtrl: Plücker rays, and the encoder that computes pose features from them."""

from __future__ import annotations

import numpy as np
import torch
from diffusers.models.attention import FeedForward
from torch import Tensor, nn
from torch.nn import functional as F

from cvd3d.model.attention import Attention, sinusoidal_positions
from cvd3d.model.epipolar import feature_pixels
from trajectories import Cameras


def plucker(cameras: Cameras, rows: int, cols: int) -> Tensor:
    """(..., 6, rows, cols) float32 Plücker coordinates (o x d, d) of the rays through a grid over the image.

    d is the unit direction of the ray in world axes, o the camera center (CameraCtrl, section 3.1).
    """
    o, d = cameras.rays(feature_pixels(cameras.height, cameras.width, rows, cols)[:, :2], unit=True)
    rays = np.concatenate([np.cross(o, d), d], axis=-1).astype(np.float32)
    return torch.from_numpy(rays).movedim(-1, -2).unflatten(-1, (rows, cols)).contiguous()


class PoseResnetBlock(nn.Module):
    """A residual block without normalization: 3x3, ReLU, 1x1."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.in_conv = nn.Conv2d(in_channels, channels, 1) if in_channels != channels else nn.Identity()
        self.block1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.block2 = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.in_conv(x)
        return x + self.block2(F.relu(self.block1(x)))


class PoseTemporalBlock(nn.Module):
    """Self-attention over time at each spatial position, then a feed-forward layer; both are residual."""

    pe: Tensor

    def __init__(self, channels: int, heads: int, max_frames: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attn1 = Attention(channels, heads)
        self.norm2 = nn.LayerNorm(channels)
        self.ff = FeedForward(channels, activation_fn="geglu")
        self.register_buffer("pe", sinusoidal_positions(max_frames, channels), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map x (B, T, C) to the same shape."""
        x = x + self.attn1(self.norm1(x) + self.pe[:, : x.shape[1]].to(x.dtype))
        return x + self.ff(self.norm2(x))


class PoseEncoder(nn.Module):
    """Encodes Plücker rays as one feature map per resolution of the UNet (CameraCtrl, section 3.2)."""

    def __init__(
        self, block_out_channels: tuple[int, ...], unshuffle: int, blocks_per_scale: int, heads: int, max_frames: int
    ) -> None:
        super().__init__()
        self.unshuffle = unshuffle
        self.conv_in = nn.Conv2d(6 * unshuffle**2, block_out_channels[0], 3, padding=1)
        self.resnets = nn.ModuleList()
        self.temporal = nn.ModuleList()
        previous = block_out_channels[0]
        for channels in block_out_channels:
            inputs = [previous] + [channels] * (blocks_per_scale - 1)
            self.resnets.append(nn.ModuleList([PoseResnetBlock(i, channels) for i in inputs]))
            self.temporal.append(nn.ModuleList([PoseTemporalBlock(channels, heads, max_frames) for _ in inputs]))
            previous = channels

    def forward(self, rays: Tensor) -> tuple[Tensor, ...]:
        """Encode rays (V, T, 6, h * unshuffle, w * unshuffle) as (V, T, C_i, h / 2^i, w / 2^i) at each scale i."""
        V, T = rays.shape[:2]
        x = self.conv_in(F.pixel_unshuffle(rays.flatten(0, 1), self.unshuffle))
        features = []
        for scale, (resnets, temporal) in enumerate(zip(self.resnets, self.temporal)):
            if scale:
                x = F.avg_pool2d(x, 2)
            for resnet, block in zip(resnets.children(), temporal.children()):
                x = resnet(x)
                C, h, w = x.shape[1:]
                y = x.reshape(V, T, C, h * w).permute(0, 3, 1, 2).reshape(V * h * w, T, C)
                x = block(y).reshape(V, h * w, T, C).permute(0, 2, 3, 1).reshape(V * T, C, h, w)
            features.append(x.unflatten(0, (V, T)))
        return tuple(features)
