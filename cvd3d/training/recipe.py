"""The recipe of the default model: its sizes, its pools and its stages, in the paper's order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cvd3d.training.pools import Pool

CROSS_VIEW, MOTION, POSE = ".cross_view.", ".motion.", "pose_encoder."
EVERYTHING = ("",)


@dataclass(frozen=True)
class Stage:
    """One stage of diffusion training."""

    name: str
    pool: str
    """Name of the pool that it learns from."""
    steps: int
    batch: int
    """Videos a step, or pairs where `pairs`."""
    frames: int
    """Frames of each video, taken from the pool's with an even stride."""
    learning_rate: float
    trains: tuple[str, ...]
    """Fragments of the names of the parameters that learn."""
    freezes: tuple[str, ...] = ()
    """Fragments of names that stay frozen all the same."""
    text: bool = False
    """Whether the text encoder learns too."""
    motion: bool = True
    cameras: bool = False
    pairs: bool = False
    timesteps: str = "sigmoid"
    """How t is drawn: the "sigmoid" of a normal, or "uniform" (the paper's)."""
    shared_timestep: bool = True
    """Whether the two videos of a pair share t (paper, Eq. 2); the released code draws one for each."""
    accumulate: int = 1
    """Batches whose gradients are added up for one step."""
    half: bool = False
    """Whether the network computes in bfloat16, with weights in float32."""
    constant: bool = False
    """Whether the learning rate stays, instead of falling over the second half."""
    warmup: int = 50
    ema: float = 0.998


@dataclass(frozen=True)
class AutoencoderStage:
    """How the autoencoder learns."""

    steps: int
    batch: int
    learning_rate: float
    pool: str
    noise: float = 0.1
    """Deviation of the noise on the latents, in their own deviations; it makes the decoder forgiving."""
    penalty: float = 1e-4
    """Weight of the latents' mean square."""
    edges: float = 0.5
    """Weight of the difference of image gradients."""
    decoder_only: bool = False


@dataclass(frozen=True)
class WordsStage:
    """How the text encoder learns to read captions."""

    steps: int = 500
    batch: int = 64
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the weights."""

    seed: int = 2024
    pools: tuple[Pool, ...] = (
        Pool("images", seed=1, samples=16384, views=1, frames=1),
        Pool("pairs", seed=2, samples=2048, views=2, frames=16),
    )
    autoencoder: dict[str, Any] = field(
        default_factory=lambda: {"latent_channels": 32, "channels": (48, 96, 192), "patch": 4}
    )
    unet: dict[str, Any] = field(
        default_factory=lambda: {
            "sample_size": 8,
            "in_channels": 32,
            "out_channels": 32,
            "block_out_channels": (128, 192),
            "attention_levels": 2,
            "layers_per_block": 1,
            "cross_attention_dim": 128,
            "num_attention_heads": 4,
            "motion_num_attention_heads": 4,
            "motion_max_seq_length": 16,
            "cross_view_num_attention_heads": 4,
            "pose_unshuffle": 2,
            "pose_blocks_per_scale": 1,
        }
    )
    text_layers: int = 2
    text_heads: int = 4
    text_dropout: float = 0.1
    autoencoder_stages: tuple[tuple[str, AutoencoderStage], ...] = (
        ("autoencoder", AutoencoderStage(steps=2200, batch=8, learning_rate=1e-3, pool="images")),
        ("decoder", AutoencoderStage(1700, 8, 6e-4, "images", edges=2.0, decoder_only=True)),
    )
    words: WordsStage = WordsStage()
    stages: tuple[Stage, ...] = (
        Stage("images", "images", 1200, 32, 1, 6e-4, EVERYTHING, (CROSS_VIEW, MOTION, POSE), text=True, motion=False),
        Stage("motion", "pairs", 150, 4, 8, 6e-4, (MOTION,), ("qkv_merge",)),
        Stage("viewpoints", "images", 3000, 32, 1, 8e-4, EVERYTHING, (CROSS_VIEW,), text=True, cameras=True),
        Stage("cameras", "pairs", 1400, 16, 2, 5e-4, EVERYTHING, (CROSS_VIEW,), cameras=True),
        Stage("long", "pairs", 150, 2, 16, 2e-4, EVERYTHING, (CROSS_VIEW,), cameras=True),
        Stage("pairs", "pairs", 500, 2, 8, 6e-4, (CROSS_VIEW,), cameras=True, pairs=True),
    )
