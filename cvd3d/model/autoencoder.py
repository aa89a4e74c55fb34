"""The small autoencoder of the default model; it encodes 16 x 16 pixels as one latent."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    """x + conv(silu(conv(silu(x)))), without normalization, so that frames do not depend on each other's statistics."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        for parameter in self.conv2.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.silu(self.conv1(F.silu(x))))


class SmallAutoencoder(ModelMixin, ConfigMixin):
    """A deterministic convolutional autoencoder that works at 1/4 of the image resolution and below.

    Every latent channel is normalized to mean 0 and standard deviation 1 over the training images (`latent_mean`,
    `latent_std`).
    """

    @register_to_config
    def __init__(self, latent_channels: int = 32, channels: tuple[int, ...] = (64, 128, 192), patch: int = 4) -> None:
        """channels: widths from the finest level (image / patch) to the latents; each level halves the resolution."""
        super().__init__()
        widths = list(channels)
        down: list[nn.Module] = [nn.Conv2d(3 * patch**2, widths[0], 3, padding=1), ResidualBlock(widths[0])]
        for finer, coarser in zip(widths, widths[1:]):
            down += [nn.Conv2d(finer, coarser, 3, stride=2, padding=1), ResidualBlock(coarser)]
        down.append(nn.Conv2d(widths[-1], latent_channels, 1))
        up: list[nn.Module] = [nn.Conv2d(latent_channels, widths[-1], 3, padding=1), ResidualBlock(widths[-1])]
        for coarser, finer in zip(widths[::-1], widths[-2::-1]):
            up += [ResidualBlock(coarser), nn.Conv2d(coarser, 4 * finer, 1), nn.PixelShuffle(2), ResidualBlock(finer)]
        up += [ResidualBlock(widths[0]), nn.SiLU(), nn.Conv2d(widths[0], 3 * patch**2, 3, padding=1)]
        self.encoder = nn.Sequential(*down)
        self.decoder = nn.Sequential(*up)
        self.register_buffer("latent_mean", torch.zeros(latent_channels, 1, 1))
        self.register_buffer("latent_std", torch.ones(latent_channels, 1, 1))

    @property
    def scale_factor(self) -> int:
        """Side of one latent in pixels."""
        return self.config.patch * 2 ** (len(self.config.channels) - 1)

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Encode frames (N, 3, H, W) in [0, 1] as latents (N, C, H / f, W / f) with f = `scale_factor`."""
        z = self.encoder(F.pixel_unshuffle(frames * 2 - 1, self.config.patch))
        return (z - self.latent_mean) / self.latent_std

    def decode_frames(self, latents: Tensor) -> Tensor:
        """Decode latents (N, C, h, w) to frames (N, 3, H, W), about in [0, 1] and not clamped."""
        z = latents * self.latent_std + self.latent_mean
        return (F.pixel_shuffle(self.decoder(z), self.config.patch) + 1) / 2
