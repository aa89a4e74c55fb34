"""The recipe of the default model: its sizes, its pools and its stages, in the paper's order."""

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
    """Name of the pool that it learns from."""
    schedule: Schedule
    """A sample is a video, or a pair where `pairs`."""
    frames: int
    """Frames of each video, taken from the pool's with an even stride."""
    trains: tuple[str, ...]
    """Fragments of the names of the parameters that learn."""
    freezes: tuple[str, ...] = ()
    """Fragments of names that stay frozen all the same."""
    motion: bool = True
    """Whether the motion modules take part."""
    cameras: bool = False
    """Whether the network knows the cameras."""
    pairs: bool = False
    """Whether two videos of one scene look at each other."""
    timesteps: Literal["sigmoid", "uniform"] = "sigmoid"
    """How t is drawn: the sigmoid of a normal, or evenly (the paper's)."""
    shared_timestep: bool = True
    """Whether the two videos of a pair share t (paper, Eq. 2); the released code draws one for each."""


@dataclass(frozen=True)
class AutoencoderStage:
    """How the autoencoder learns."""

    name: str
    pool: str
    schedule: Schedule
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
    """What a latent that shows an object weighs in the loss beyond one that shows ground or sky."""
    stages: tuple[TrainingStage, ...] = (
        AutoencoderStage("autoencoder", "stills", Schedule(1500, 16, 5e-3)),
        AutoencoderStage("decoder", "stills", Schedule(500, 16, 2e-3), edges=2.0, decoder_only=True),
        WordsStage("words", Schedule(500, 64, 1e-3, optimizer="adamw")),
        DiffusionStage(
            "images", "images", Schedule(1000, 32, 6e-3), 1, EVERYTHING, (CROSS_VIEW, MOTION, POSE), motion=False
        ),
        DiffusionStage("viewpoints", "images", Schedule(8000, 32, 6e-3), 1, EVERYTHING, (CROSS_VIEW,), cameras=True),
        DiffusionStage("cameras", "pairs", Schedule(1500, 16, 3e-3), 2, EVERYTHING, (CROSS_VIEW,), cameras=True),
        DiffusionStage("long", "pairs", Schedule(400, 2, 1.5e-3), 16, EVERYTHING, (CROSS_VIEW,), cameras=True),
        DiffusionStage("pairs", "pairs", Schedule(3000, 4, 4e-3), 4, (CROSS_VIEW,), cameras=True, pairs=True),
    )


def shortened(recipe: Recipe, steps: int) -> Recipe:
    """The same recipe with `steps` steps a stage and as many samples as that needs; to try the code, not to learn."""
    return replace(
        recipe,
        pools=tuple(replace(pool, samples=min(pool.samples, 8)) for pool in recipe.pools),
        stages=tuple(replace(s, schedule=replace(s.schedule, steps=steps, batch=2)) for s in recipe.stages),
    )
