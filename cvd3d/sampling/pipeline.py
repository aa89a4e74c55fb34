"""The sampler: a set of videos that agree with each other, from a prompt and a rig."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, DiffusionPipeline
from diffusers.utils import BaseOutput
from rich.progress import Progress
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoTokenizer, CLIPTextModel, PreTrainedTokenizerBase

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.model.text import encode_text
from cvd3d.model.unet import CollaborativeUNet, ViewGeometry
from cvd3d.sampling.latents import decode, latent_factor
from cvd3d.sampling.pairs import default_schedule, random_matching
from cvd3d.sampling.quiet import quiet
from trajectories import Cameras, InputError, Rig

AUTOENCODERS = {"SmallAutoencoder": SmallAutoencoder, "AutoencoderKL": AutoencoderKL}


@dataclass
class CollaborativeOutput(BaseOutput):
    """What the pipeline returns."""

    videos: np.ndarray
    """(V, T, H, W, 3) float32 RGB in [0, 1]."""


class CollaborativePipeline(DiffusionPipeline):
    """Prompt and rig to V videos of T frames (Kuang et al. 2024, Algorithm 1).

    At each step the videos are split into pairs, and each pair is denoised together; more than two videos meet in many
    matchings, R recurrences of Q matchings a step, between which noise is put back.
    """

    def __init__(
        self,
        vae: SmallAutoencoder | AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: PreTrainedTokenizerBase,
        unet: CollaborativeUNet,
        scheduler: DDIMScheduler,
        steps: int = 25,
        guidance: float = 3.0,
    ) -> None:
        """Put the parts together.

        Args:
            steps: denoising steps that suit these weights.
            guidance: classifier-free guidance that suits them.
        """
        super().__init__()
        self.register_modules(vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler)
        self.register_to_config(steps=steps, guidance=guidance)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> CollaborativePipeline:
        """Load a folder that `save_pretrained` wrote, in float32.

        Raises:
            InputError: a folder that is not such a model.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / "model_index.json").read_text())
            autoencoder = AUTOENCODERS[index["vae"][1]]
            options = {name: index[name] for name in ("steps", "guidance")}
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            raise InputError(
                f"{folder} is not a cvd3d model: its model_index.json is missing or of another kind."
            ) from None
        try:
            with quiet():
                vae = autoencoder.from_pretrained(folder / "vae")
                text_encoder = CLIPTextModel.from_pretrained(folder / "text_encoder").float()
                tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
                unet = CollaborativeUNet.from_pretrained(folder / "unet")
                scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(f"The model in {folder} does not load: {str(error).splitlines()[0]}") from None
        for part in (vae, text_encoder, unet):
            part.requires_grad_(False)  # weights that want gradients take another path through matmul, other last bits
        return cls(vae, text_encoder, tokenizer, unet, scheduler, **options)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Write the parts and how they go together into a folder; the options are diffusers'."""
        with quiet():
            super().save_pretrained(folder, **options)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str,
        rig: Rig,
        negative_prompt: str = "",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        recurrences: int | None = None,
        matchings: int | None = None,
        cross_view_scale: float = 1.0,
        generator: torch.Generator | None = None,
        progress: bool = True,
    ) -> CollaborativeOutput:
        """Make the videos.

        Args:
            prompt: what all videos show.
            rig: V cameras over T frames; the image size must be a multiple of the latents' factor.
            negative_prompt: what they should not show.
            num_inference_steps: DDIM steps; what suits the weights unless given.
            guidance_scale: classifier-free guidance; what suits the weights unless given. 1 switches it off and halves
                the cost.
            recurrences: R, network passes a step; `pairs.default_schedule` unless given.
            matchings: Q, matchings averaged in each pass; `pairs.default_schedule` unless given.
            cross_view_scale: strength of the cross-view modules; 0 lets every video stand alone.
            generator: on the CPU; every random draw comes from it.
            progress: show a progress bar.

        Raises:
            InputError: a rig that the network cannot take, or an option out of range.
        """
        steps = self.config.steps if num_inference_steps is None else num_inference_steps
        guidance = self.config.guidance if guidance_scale is None else guidance_scale
        h, w = self._check(rig, steps, recurrences, matchings)
        generator = generator or torch.Generator().manual_seed(0)
        default_R, default_Q = default_schedule(rig.views)
        R, Q = recurrences or default_R, matchings or default_Q
        dtype, device = self.unet.dtype, self._execution_device
        guided = guidance != 1.0
        text = encode_text(self.tokenizer, self.text_encoder, [negative_prompt, prompt] if guided else [prompt])
        text = text.repeat_interleave(rig.views, dim=0)
        views = _Views(self.unet, rig.cameras, (h, w), generator)
        self.scheduler.set_timesteps(steps, device=device)
        shape = (rig.views, self.unet.config.in_channels, rig.frames, h, w)
        z = torch.randn(shape, generator=generator).to(device)
        timesteps = self.scheduler.timesteps
        turn = 0
        with Progress(disable=not progress) as bars:
            bar = bars.add_task("Sampling videos", total=((len(timesteps) - 1) * R + 1) * Q)
            for i, t in enumerate(timesteps):
                # The last step would put noise back for nothing; the released code makes it once.
                passes = R if i + 1 < len(timesteps) else 1
                for r in range(passes):
                    prediction = torch.zeros_like(z)
                    for _ in range(Q):
                        geometry = views.geometry(random_matching(rig.views, turn, generator))
                        turn += 1
                        if guided:
                            geometry = geometry.repeated(2)
                        sample = (torch.cat([z, z]) if guided else z).to(dtype)
                        out = self.unet(sample, t, text, cameras=geometry, scale=cross_view_scale).float()
                        if guided:
                            free, bound = out.chunk(2)
                            out = free + guidance * (bound - free)
                        prediction += out / Q
                        bars.advance(bar)
                    previous = self.scheduler.step(prediction, t, z, eta=0.0).prev_sample
                    z = self._renoise(previous, int(t), steps, generator) if r + 1 < passes else previous
        return CollaborativeOutput(decode(self.vae, z).numpy())

    def _renoise(self, previous: Tensor, t: int, steps: int, generator: torch.Generator) -> Tensor:
        """Put noise back from the previous timestep to t (paper, Algorithm 1)."""
        abar = self.scheduler.alphas_cumprod
        before = t - self.scheduler.config.num_train_timesteps // steps
        ratio = abar[t] / (abar[before] if before >= 0 else self.scheduler.final_alpha_cumprod)
        noise = torch.randn(previous.shape, generator=generator).to(previous.device)
        return ratio.sqrt() * previous + (1 - ratio).sqrt() * noise

    def _check(self, rig: Rig, steps: int, recurrences: int | None, matchings: int | None) -> tuple[int, int]:
        """The latents' height and width, once everything fits."""
        factor = latent_factor(self.vae)
        width, height = rig.cameras.width, rig.cameras.height
        coarsest = factor * 2 ** (len(self.unet.config.block_out_channels) - 1)
        if width % coarsest or height % coarsest:
            raise InputError(f"The rig's images are {width}x{height}; this model needs multiples of {coarsest} pixels.")
        limit = self.unet.config.motion_max_seq_length
        if rig.frames > limit:
            raise InputError(f"The rig has {rig.frames} frames; this model takes at most {limit}.")
        for name, value in (("steps", steps), ("recurrences", recurrences), ("matchings", matchings)):
            if value is not None and value < 1:
                raise InputError(f"The number of {name} is {value}; give at least 1.")
        most = self.scheduler.config.num_train_timesteps
        if steps > most:
            raise InputError(f"The number of steps is {steps}; this model takes at most {most}.")
        return height // factor, width // factor


class _Views:
    """Pose features and masks of a rig, each computed once and kept for all steps."""

    def __init__(
        self, unet: CollaborativeUNet, cameras: Cameras, size: tuple[int, int], generator: torch.Generator
    ) -> None:
        self.unet, self.cameras, self.size, self.generator = unet, cameras, size, generator
        self.pose = unet.encode_cameras(cameras, *size)
        self.biases: dict[tuple[int, int], dict[tuple[int, int], Tensor]] = {}

    def geometry(self, partners: Tensor) -> ViewGeometry:
        """The geometry of one matching (V,)."""
        pairs = [(v, int(p)) for v, p in enumerate(partners)]
        if all(p < 0 for _, p in pairs):
            return ViewGeometry(self.pose, partners.to(self.unet.device))
        found = [self._bias(v, p if p >= 0 else v) for v, p in pairs]
        biases = {size: torch.stack([bias[size] for bias in found]) for size in found[0]}
        return ViewGeometry(self.pose, partners.to(self.unet.device), biases)

    def _bias(self, query: int, key: int) -> dict[tuple[int, int], Tensor]:
        if (query, key) not in self.biases:
            self.biases[query, key] = self.unet.epipolar_biases(
                self.cameras[query], self.cameras[key], *self.size, self.generator
            )
        return self.biases[query, key]
