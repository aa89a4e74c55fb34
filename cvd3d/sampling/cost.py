"""What a generation will take: network calls, and memory; and how to stay within a limit."""

from __future__ import annotations

from dataclasses import dataclass

from diffusers import AutoencoderKL

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.unet import SMALL_LATENTS, CollaborativeUNet
from cvd3d.sampling.latents import latent_factor
from trajectories import InputError

VIDEOS_PER_CALL = (
    8  # four pairs, or two pairs and their free halves: large enough for speed, small enough for most GPUs
)
FRAMES_PER_DECODE = 16
COPIES = 28  # feature maps of the finest level that a network call holds at its peak (measured: 26 to 30)
DECODER_COPIES = 13  # likewise, maps of the decoder's last level (measured on the full size)


@dataclass(frozen=True)
class Share:
    """How much is done at once."""

    videos_per_call: int
    frames_per_decode: int
    memory: int
    """Estimated peak in bytes, weights included."""
    offload: bool
    """Whether the text encoder and the autoencoder wait on the CPU while the network is at work."""


@dataclass(frozen=True)
class Cost:
    """The price of a generation, known before it starts."""

    passes: int
    """Predictions for all videos: steps and recurrences."""
    calls: int
    """Network calls in all."""
    share: Share

    def __str__(self) -> str:
        share = self.share
        waiting = ", the autoencoder waiting on the CPU" if share.offload else ""
        return (
            f"{self.passes} passes in {self.calls} network calls of up to {share.videos_per_call} videos, "
            f"about {share.memory / 1e9:.1f} GB{waiting}"
        )


def call_memory(unet: CollaborativeUNet, frames: int, h: int, w: int) -> int:
    """Bytes that one video of a network call takes, estimated."""
    config = unet.config
    bytes_each = unet.dtype.itemsize
    features = COPIES * config.block_out_channels[0] * h * w * bytes_each
    # Plain attention holds all scores of the finest level, twice; the fused one only the mask.
    scores = 2 * config.num_attention_heads * (h * w) ** 2 * bytes_each if max(h, w) <= SMALL_LATENTS else 0
    mask = 4 * (h * w) ** 2
    return frames * (features + scores + mask)


def decode_memory(vae: SmallAutoencoder | AutoencoderKL, h: int, w: int) -> int:
    """Bytes that decoding one frame takes, estimated."""
    factor = latent_factor(vae)
    pixels = h * factor * w * factor
    if isinstance(vae, SmallAutoencoder):
        maps = vae.config.channels[0] / vae.config.patch**2
    else:
        maps = vae.config.block_out_channels[0]
    return int(DECODER_COPIES * maps * pixels * vae.dtype.itemsize)


def fit_into(limit: int | None, weights: int, network: int, a_video: int, a_frame: int, offloads: bool) -> Share:
    """Choose how many videos a network call and how many frames a decoder call take.

    Args:
        limit: bytes; None for what suits most machines.
        weights: bytes of all parameters.
        network: bytes of the network's alone.
        a_video: bytes of one video in a network call.
        a_frame: bytes of one frame in a decoder call.
        offloads: whether the other parts can wait elsewhere.

    Raises:
        InputError: a limit that one pair or one frame exceeds.
    """
    most = max(VIDEOS_PER_CALL * a_video, FRAMES_PER_DECODE * a_frame)
    if limit is None or weights + most <= limit:
        return Share(VIDEOS_PER_CALL, FRAMES_PER_DECODE, weights + most, False)
    least = max(2 * a_video, a_frame)
    offload = offloads and weights + least > limit
    held = network if offload else weights
    if held + least > limit:
        raise InputError(
            f"The memory limit is {limit / 1e9:.2f} GB; this model and rig need {(held + least) / 1e9:.2f} GB at least."
        )
    videos = min(VIDEOS_PER_CALL, (limit - held) // a_video)
    frames = min(FRAMES_PER_DECODE, (limit - held) // a_frame)
    return Share(videos, frames, held + max(videos * a_video, frames * a_frame), offload)
