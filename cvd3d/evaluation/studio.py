"""Sampling of a model for the measures, with fixed sizes, lengths and seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from cvd3d.evaluation.cases import ALL, Case
from cvd3d.evaluation.recognizer import Recognizer
from cvd3d.sampling.latents import decode, encode, latent_factor
from cvd3d.sampling.matchings import default_schedule
from trajectories import Rig, make_rig

if TYPE_CHECKING:
    from cvd3d.sampling.pipeline import CollaborativePipeline

AT_ONCE = 16  # frames per call of the autoencoder


@dataclass(frozen=True, eq=False)
class Studio:
    """The model, the recognizer and the settings that all measures share."""

    pipeline: CollaborativePipeline
    recognizer: Recognizer
    seed: int = 0
    steps: int | None = None
    """Denoising steps; by default the model's."""
    frames: int | None = None
    """Frames of each video; by default the model's."""
    fit_quality: str = "normal"
    """Quality of the splat fits."""
    progress: bool = field(default=True, kw_only=True)

    def rig(self, name: str, views: int, frames: int | None = None, **options: Any) -> Rig:
        """A built-in rig with the model's image size and length."""
        unet = self.pipeline.unet.config
        side = unet.sample_size * latent_factor(self.pipeline.vae)
        length = frames or self.frames or unet.motion_max_seq_length
        return make_rig(name, views, length, width=side, height=side, **options)

    def videos(self, case: Case, rig: Rig, cross_view: float = 1.0) -> np.ndarray:
        """(V, T, H, W, 3) float32 in [0, 1]; the noise depends on the case and the rig, not on `cross_view`."""
        generator = torch.Generator().manual_seed(ALL * self.seed + case.number)
        return self.pipeline(
            case.prompt, rig, num_inference_steps=self.steps, cross_view_scale=cross_view, generator=generator,
            progress=self.progress,
        ).videos  # fmt: skip

    def through_autoencoder(self, frames: np.ndarray) -> np.ndarray:
        """Encode and decode frames (..., H, W, 3) uint8 to float32 in [0, 1]; bounds the model's quality."""
        flat = torch.from_numpy(frames.reshape(1, -1, *frames.shape[-3:])).float() / 255
        vae = self.pipeline.vae
        latents = encode(vae, flat[0], AT_ONCE)
        return decode(vae, latents[None], AT_ONCE).numpy().reshape(frames.shape)

    def work(self, views: int) -> int:
        """Number of network passes of a pair for one set of videos."""
        R, Q = default_schedule(views)
        steps = self.steps or self.pipeline.config.steps
        return (R * (steps - 1) + 1) * Q * math.ceil(views / 2)


def twins_of(rig: Rig, views: int = 2) -> Rig:
    """A rig of `views` copies of the rig's first path."""
    names = tuple(f"cam{v:02d}" for v in range(views))
    return Rig(rig.cameras[np.zeros(views, dtype=int)], rig.times, names)
