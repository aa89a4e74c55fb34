"""The recipe of the default model: network sizes, pools of samples, and training stages in the paper's order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cvd3d.training.loop import Schedule
from cvd3d.training.pools import Pool

CROSS_VIEW, MOTION, POSE = ".cross_view.", ".motion.", "pose_encoder."
EVERYTHING = ("",)


@dataclass(frozen=True)
class DiffusionStage:
    """One stage of diffusion training."""

    name: str
    pool: str
    """Name of the pool that provides the training samples."""
    schedule: Schedule
    """Optimization settings; a sample is a video, or a pair if `pairs`."""
    frames: int
    """Frames of each video, drawn from the pool's with a constant stride."""
    trains: tuple[str, ...]
    """Name fragments of the parameters to train."""
    freezes: tuple[str, ...] = ()
    """Name fragments of parameters that stay frozen even if `trains` matches them."""
    motion: bool = True
    """Whether the motion modules are applied."""
    cameras: bool = False
    """Whether the network gets the cameras as input."""
    pairs: bool = False
    """Whether the two videos of a scene attend to each other."""
    timesteps: Literal["sigmoid", "uniform"] = "sigmoid"
    """Distribution of t: the sigmoid of a normal, or uniform (as in the paper)."""
    shared_timestep: bool = True
    """Whether the two videos of a pair share t (paper, Eq. 2); the released code draws one for each video."""


@dataclass(frozen=True)
class AutoencoderStage:
    """One stage of autoencoder training."""

    name: str
    pool: str
    schedule: Schedule
    noise: float = 0.1
    """Standard deviation of the noise added to the latents, relative to theirs; it makes the decoder robust."""
    penalty: float = 1e-4
    """Loss weight of the latents' mean square."""
    edges: float = 0.5
    """Loss weight of the L1 difference of image gradients."""
    decoder_only: bool = False


@dataclass(frozen=True)
class WordsStage:
    """The stage that trains the text encoder on captions."""

    name: str
    schedule: Schedule


TrainingStage = AutoencoderStage | WordsStage | DiffusionStage


@dataclass(frozen=True)
class Recipe:
    """Everything that determines the weights."""

    seed: int = 2024
    pools: tuple[Pool, ...] = (
        Pool("stills", seed=3, samples=16384, views=1, frames=1),
        Pool("images", seed=1, samples=32768, views=1, frames=1),
        Pool("pairs", seed=2, samples=1536, views=2, frames=16),
    )
    autoencoder: dict[str, Any] = field(
        default_factory=lambda: {"latent_channels": 32, "channels": (48, 96, 192), "patch": 4}
    )
    unet: dict[str, Any] = field(
        default_factory=lambda: {
            "sample_size": 8,
            "in_channels": 32,
            "out_channels": 32,
            "block_out_channels": (96, 128),
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
    """Share of empty captions."""
    object_weight: float = 2.0
    """Additional loss weight of a latent that shows an object."""
    stages: tuple[TrainingStage, ...] = (
        AutoencoderStage("autoencoder", "stills", Schedule(1500, 16, 5e-3)),
        AutoencoderStage("decoder", "stills", Schedule(500, 16, 2e-3), edges=2.0, decoder_only=True),
        WordsStage("words", Schedule(500, 64, 1e-3, optimizer="adamw")),
        DiffusionStage(
            "images", "images", Schedule(1000, 32, 6e-3), 1, EVERYTHING, (CROSS_VIEW, MOTION, POSE), motion=False
        ),
        DiffusionStage(
            "viewpoints", "images", Schedule(3600, 32, 6e-3, decay=0.25), 1, EVERYTHING, (CROSS_VIEW,), cameras=True
        ),
        DiffusionStage("cameras", "pairs", Schedule(500, 16, 3e-3), 2, EVERYTHING, (CROSS_VIEW,), cameras=True),
        DiffusionStage("long", "pairs", Schedule(120, 2, 1.5e-3), 16, EVERYTHING, (CROSS_VIEW,), cameras=True),
        DiffusionStage("pairs", "pairs", Schedule(800, 4, 4e-3), 4, (CROSS_VIEW,), cameras=True, pairs=True),
    )


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The recipe with `steps` steps per stage and small pools, to test the code."""
    return replace(
        recipe,
        pools=tuple(replace(pool, samples=min(pool.samples, 8)) for pool in recipe.pools),
        stages=tuple(replace(s, schedule=replace(s.schedule, steps=steps, batch=2)) for s in recipe.stages),
    )
