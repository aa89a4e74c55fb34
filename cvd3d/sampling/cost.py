"""Estimate the network calls and the memory of a sampling run, and choose batch sizes within a memory limit."""

from __future__ import annotations

from dataclasses import dataclass

from diffusers import AutoencoderKL

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.unet import SMALL_LATENTS, CollaborativeUNet
from cvd3d.sampling.latents import latent_factor
from trajectories import InputError

VIDEOS_PER_CALL = 8  # four pairs, or two pairs with and without the prompt: fast, and fits on most GPUs
FRAMES_PER_DECODE = 16
COPIES = 28  # feature maps of the finest level in memory at the peak of a network call (measured: 26 to 30)
DECODER_COPIES = 13  # likewise for the decoder's last level (measured at full size)


@dataclass(frozen=True)
class MemoryPlan:
    """Batch sizes and the memory that they need."""

    videos_per_call: int
    frames_per_decode: int
    memory: int
    """Estimated peak in bytes, including the weights."""
    offload: bool
    """Whether the text encoder and the autoencoder are moved to the CPU while the network runs."""


@dataclass(frozen=True)
class Cost:
    """The cost of a sampling run, computed before it starts."""

    passes: int
    """Predictions for all videos: steps times recurrences."""
    calls: int
    """Total number of network calls."""
    plan: MemoryPlan

    def __str__(self) -> str:
        plan = self.plan
        offloaded = ", with the autoencoder on the CPU" if plan.offload else ""
        return (
            f"{self.passes} passes in {self.calls} network calls of up to {plan.videos_per_call} videos, "
            f"about {plan.memory / 1e9:.1f} GB{offloaded}"
        )


def call_memory(unet: CollaborativeUNet, frames: int, h: int, w: int) -> int:
    """Estimated memory of one video in a network call, in bytes."""
    config = unet.config
    bytes_each = unet.dtype.itemsize
    features = COPIES * config.block_out_channels[0] * h * w * bytes_each
    # Plain attention keeps all scores of the finest level, twice; fused attention only the mask.
    scores = 2 * config.num_attention_heads * (h * w) ** 2 * bytes_each if max(h, w) <= SMALL_LATENTS else 0
    mask = 4 * (h * w) ** 2
    return frames * (features + scores + mask)


def decode_memory(vae: SmallAutoencoder | AutoencoderKL, h: int, w: int) -> int:
    """Estimated memory of decoding one frame, in bytes."""
    factor = latent_factor(vae)
    pixels = h * factor * w * factor
    if isinstance(vae, SmallAutoencoder):
        maps = vae.config.channels[0] / vae.config.patch**2
    else:
        maps = vae.config.block_out_channels[0]
    return int(DECODER_COPIES * maps * pixels * vae.dtype.itemsize)


def plan_memory(
    limit: int | None, weights: int, network: int, per_video: int, per_frame: int, can_offload: bool
) -> MemoryPlan:
    """Choose the number of videos per network call and of frames per decoder call.

    Args:
        limit: bytes; None uses the largest batch sizes.
        weights: bytes of all parameters.
        network: bytes of the network's parameters.
        per_video: bytes of one video in a network call.
        per_frame: bytes of one frame in a decoder call.
        can_offload: whether the other parts can be moved to the CPU.

    Raises:
        InputError: a limit that one pair or one frame exceeds.
    """
    most = max(VIDEOS_PER_CALL * per_video, FRAMES_PER_DECODE * per_frame)
    if limit is None or weights + most <= limit:
        return MemoryPlan(VIDEOS_PER_CALL, FRAMES_PER_DECODE, weights + most, False)
    least = max(2 * per_video, per_frame)
    offload = can_offload and weights + least > limit
    resident = network if offload else weights
    if resident + least > limit:
        needed = (resident + least) / 1e9
        raise InputError(f"The memory limit is {limit / 1e9:.2f} GB; this model and rig need at least {needed:.2f} GB.")
    videos = min(VIDEOS_PER_CALL, (limit - resident) // per_video)
    frames = min(FRAMES_PER_DECODE, (limit - resident) // per_frame)
    return MemoryPlan(videos, frames, resident + max(videos * per_video, frames * per_frame), offload)
