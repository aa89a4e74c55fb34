"""Latents to frames, through either autoencoder."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cvd3d.model.autoencoder import SmallAutoencoder

CHUNK = 16  # frames decoded at once


def latent_factor(vae: SmallAutoencoder | AutoencoderKL) -> int:
    """Pixels on a side of one latent."""
    if isinstance(vae, SmallAutoencoder):
        return vae.scale_factor
    return 2 ** (len(vae.config.block_out_channels) - 1)


@torch.no_grad()
def decode(vae: SmallAutoencoder | AutoencoderKL, latents: Tensor) -> Tensor:
    """(V, C, T, h, w) latents to (V, T, H, W, 3) frames in [0, 1], float32 on the CPU."""
    V = len(latents)
    flat = latents.transpose(1, 2).flatten(0, 1).to(vae.dtype)
    frames = torch.cat([_decode_chunk(vae, chunk).float().cpu() for chunk in flat.split(CHUNK)])
    return frames.clamp(0, 1).movedim(1, -1).unflatten(0, (V, -1)).contiguous()


def _decode_chunk(vae: SmallAutoencoder | AutoencoderKL, latents: Tensor) -> Tensor:
    if isinstance(vae, SmallAutoencoder):
        return vae.decode_frames(latents)
    return (vae.decode(latents / vae.config.scaling_factor).sample + 1) / 2
