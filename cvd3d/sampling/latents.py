"""Encode frames to latents and decode latents to frames, with either autoencoder."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from cvd3d.model.autoencoder import SmallAutoencoder


def latent_factor(vae: SmallAutoencoder | AutoencoderKL) -> int:
    """Image width in pixels per latent."""
    if isinstance(vae, SmallAutoencoder):
        return vae.scale_factor
    return 2 ** (len(vae.config.block_out_channels) - 1)


@torch.no_grad()
def decode(vae: SmallAutoencoder | AutoencoderKL, latents: Tensor, chunk: int) -> Tensor:
    """Decode (V, C, T, h, w) latents to (V, T, H, W, 3) float32 frames in [0, 1] on the CPU, `chunk` at a time."""
    V = len(latents)
    flat = latents.transpose(1, 2).flatten(0, 1).to(vae.device, vae.dtype)
    frames = torch.cat([_decode_chunk(vae, some).float().cpu() for some in flat.split(chunk)])
    return frames.clamp(0, 1).movedim(1, -1).unflatten(0, (V, -1)).contiguous()


def _decode_chunk(vae: SmallAutoencoder | AutoencoderKL, latents: Tensor) -> Tensor:
    if isinstance(vae, SmallAutoencoder):
        return vae.decode_frames(latents)
    return (vae.decode(latents / vae.config.scaling_factor).sample + 1) / 2


@torch.no_grad()
def encode(vae: SmallAutoencoder | AutoencoderKL, frames: Tensor, chunk: int) -> Tensor:
    """Encode (T, H, W, 3) frames in [0, 1] to (C, T, h, w) float32 latents, `chunk` frames at a time."""
    flat = frames.movedim(-1, 1).to(vae.device, vae.dtype)
    return torch.cat([_encode_chunk(vae, some).float() for some in flat.split(chunk)]).transpose(0, 1)


def _encode_chunk(vae: SmallAutoencoder | AutoencoderKL, frames: Tensor) -> Tensor:
    if isinstance(vae, SmallAutoencoder):
        return vae.encode_frames(frames)
    return vae.encode(2 * frames - 1).latent_dist.mode() * vae.config.scaling_factor
