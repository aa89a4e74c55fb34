"""The diffusers pipeline that samples a set of consistent videos from a prompt and a rig."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.sampling.cost import Cost, MemoryPlan, call_memory, decode_memory, plan_memory
from cvd3d.sampling.denoise import Denoiser
from cvd3d.sampling.latents import decode, encode, latent_factor
from cvd3d.sampling.limits import check_rig
from cvd3d.sampling.matchings import Matcher, default_schedule
from cvd3d.sampling.quiet import quiet
from cvd3d.sampling.request import Matching, Request
from cvd3d.sampling.resume import Resume
from cvd3d.sampling.windows import split_into_windows, window_weights
from trajectories import InputError, Rig
from trajectories.heading import cameras_from_heading

AUTOENCODERS = {"SmallAutoencoder": SmallAutoencoder, "AutoencoderKL": AutoencoderKL}


@dataclass
class CollaborativeOutput(BaseOutput):
    """The output of the pipeline."""

    videos: np.ndarray
    """(V, T, H, W, 3) float32 RGB in [0, 1]."""


class CollaborativePipeline(DiffusionPipeline):
    """Sample V videos of T frames from a prompt and a rig (Kuang et al. 2024, Algorithm 1).

    At each step the videos are split into pairs, and each pair is denoised together. More than two videos need several
    matchings: each step has R recurrences, between which noise is added again, and each averages Q matchings.
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
        """Register the parts and the defaults of the model.

        Args:
            steps: default number of denoising steps for these weights.
            guidance: default scale of classifier-free guidance.
        """
        super().__init__()
        self.register_modules(vae=vae, text_encoder=text_encoder, tokenizer=tokenizer, unet=unet, scheduler=scheduler)
        self.register_to_config(steps=steps, guidance=guidance)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> CollaborativePipeline:
        """Load a folder that `save_pretrained` wrote, in float32.

        Raises:
            InputError: a folder without such a model.
        """
        folder = Path(folder)
        try:
            index = json.loads((folder / "model_index.json").read_text())
            autoencoder = AUTOENCODERS[index["vae"][1]]
            options = {name: index[name] for name in ("steps", "guidance")}
        except (OSError, ValueError, KeyError, IndexError, TypeError):
            raise InputError(
                f"{folder} is not a cvd3d model: its model_index.json is missing or is of another kind."
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
            part.requires_grad_(False)  # with gradients, matmul takes another path and rounds differently
        return cls(vae, text_encoder, tokenizer, unet, scheduler, **options)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Write the model to a folder; the options are those of diffusers."""
        with quiet():
            super().save_pretrained(folder, **options)

    def __call__(
        self,
        prompt: str,
        rig: Rig,
        negative_prompt: str = "",
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        recurrences: int | None = None,
        matchings: int | None = None,
        matching: Matching = "random",
        cross_view_scale: float = 1.0,
        window_overlap: int | None = None,
        known: Mapping[int, np.ndarray] | None = None,
        max_memory: int | None = None,
        checkpoint: Path | None = None,
        generator: torch.Generator | None = None,
        progress: bool = True,
        report: Callable[[str], None] | None = None,
    ) -> CollaborativeOutput:
        """Sample the videos of a prompt; see `sample` for a complete `Request`.

        Args:
            prompt: what all videos show.
            rig: V cameras over T frames; the coarsest resolution of the network must divide the image size.
            negative_prompt: what they should not show.
            num_inference_steps: DDIM steps; by default the model's.
            guidance_scale: scale of classifier-free guidance; by default the model's. 1 switches it off and halves the
                cost.
            recurrences: R, passes per step; by default from `default_schedule`.
            matchings: Q, matchings averaged in each pass; by default from `default_schedule`.
            matching: how videos are paired, see `Matcher`.
            cross_view_scale: strength of the cross-view modules; 0 makes the videos independent of each other.
            window_overlap: number of frames shared by consecutive windows, for videos longer than the network's.
            known: (T, H, W, 3) frames in [0, 1] of videos that are fixed, by video index; the others are sampled to be
                consistent with them.
            max_memory: limit in bytes; the batch sizes are reduced to stay below it (see `cost`).
            checkpoint: a file for the state of a stopped call; the same call resumes from it and gives the same bytes.
            generator: on the CPU; the source of all random draws.
            progress: show a progress bar.
            report: called with one line on the cost before the start, and one on the time after the first network call.

        Raises:
            InputError: a rig that the network does not support, or an option out of range.
        """
        request = Request(
            prompt, negative_prompt=negative_prompt, steps=num_inference_steps, guidance=guidance_scale,
            matching=matching, recurrences=recurrences, matchings=matchings, window_overlap=window_overlap,
            known=known or {}, max_memory=None if max_memory is None else max_memory / 1e9,
            cross_view_scale=cross_view_scale,
        )  # fmt: skip
        return self.sample(request, rig, generator=generator, checkpoint=checkpoint, progress=progress, report=report)

    @torch.no_grad()
    def sample(
        self,
        request: Request,
        rig: Rig,
        *,
        generator: torch.Generator | None = None,
        checkpoint: Path | None = None,
        progress: bool = True,
        report: Callable[[str], None] | None = None,
    ) -> CollaborativeOutput:
        """Sample the videos of a request with this pipeline; the request's model and precision are not used.

        Args:
            request: the prompt and the options.
            rig: V cameras over T frames; the coarsest resolution of the network must divide the image size.
            generator: on the CPU; by default a new one with the seed of the request.
            checkpoint: as for `__call__`.
            progress: show a progress bar.
            report: as for `__call__`.

        Raises:
            InputError: a rig that the network does not support, or known videos that do not match it.
        """
        default_R, default_Q = default_schedule(rig.views)
        request = replace(
            request,
            steps=self.config.steps if request.steps is None else request.steps,
            guidance=self.config.guidance if request.guidance is None else request.guidance,
            recurrences=request.recurrences or default_R,
            matchings=request.matchings or default_Q,
            known=self._check_known(rig, request.known),
        )
        steps, guidance, R, Q = request.steps, request.guidance, request.recurrences, request.matchings
        assert steps is not None and guidance is not None and R is not None and Q is not None
        h, w = self._check(rig, steps, request.window_overlap)
        windows = split_into_windows(rig.frames, self.unet.config.motion_max_seq_length, request.window_overlap)
        generator = generator or torch.Generator().manual_seed(request.seed)
        device = self.unet.device
        self.scheduler.set_timesteps(steps, device=device)
        # Recurrences of the last step would have no effect; the released code also runs it once.
        repeats = [R] * (steps - 1) + [1]
        passes = [(t, r + 1 < n) for t, n in zip(self.scheduler.timesteps, repeats) for r in range(n)]
        resume = Resume(checkpoint, "" if checkpoint is None else self._hash(request, rig, generator))
        plan = self._plan_memory(request.max_memory, windows, h, w)
        texts = [request.negative_prompt, request.prompt] if guidance != 1.0 else [request.prompt]
        # The first object of the prompt is on the left of the first image, for any heading of its camera.
        cameras = cameras_from_heading(rig)
        denoiser = Denoiser(
            self.unet, cameras, (h, w), encode_text(self.tokenizer, self.text_encoder, texts), windows,
            window_weights(windows, rig.frames), generator, guidance=guidance, scale=request.cross_view_scale,
            videos_per_call=plan.videos_per_call,
        )  # fmt: skip
        z = torch.randn((rig.views, self.unet.config.in_channels, rig.frames, h, w), generator=generator).to(device)
        anchors = {
            v: (encode(self.vae, torch.from_numpy(frames), plan.frames_per_decode).to(device), z[v].clone())
            for v, frames in request.known.items()
        }
        matcher = Matcher(request.matching, rig.cameras)
        calls = len(passes) * len(denoiser.calls(Matcher(request.matching, rig.cameras).draw(Q, torch.Generator())))
        if report is not None:
            report(str(Cost(len(passes), calls, plan)))
        if plan.offload:
            self.text_encoder.to("cpu")
            self.vae.to("cpu")
        done, z = resume.load(z, matcher, generator)
        with Progress(disable=not progress) as bars:
            bar = bars.add_task("Sampling videos", total=len(passes), completed=done)
            timer = _Timer(calls * (len(passes) - done) // len(passes), report)

            def after_call(fraction_of_pass: float) -> None:
                bars.advance(bar, fraction_of_pass)
                timer.tick()

            for number, (t, again) in enumerate(passes[done:], start=done + 1):
                drawn = matcher.draw(Q, generator)
                for v, (x, noise) in anchors.items():
                    z[v] = self._noised(x, noise, t)
                prediction = denoiser(z, t, drawn, after_call)
                previous = self.scheduler.step(prediction, t, z, eta=0.0).prev_sample
                z = self._renoise(previous, int(t), steps, generator) if again else previous
                resume.save(number, z, matcher, generator)
        if plan.offload:
            self.unet.to("cpu")
            self.vae.to(device)
        videos = decode(self.vae, z, plan.frames_per_decode).numpy()
        for v, frames in request.known.items():
            videos[v] = frames
        return CollaborativeOutput(videos)

    def _hash(self, request: Request, rig: Rig, generator: torch.Generator) -> str:
        """A hash of everything that determines the videos."""
        digest = hashlib.sha256(f"{request.hash()} {self.unet.dtype}".encode())
        for array in (generator.get_state().numpy(), rig.cameras.c2w, rig.cameras.K):
            digest.update(array.tobytes())
        return digest.hexdigest()

    def _plan_memory(self, limit: float | None, windows: list[slice], h: int, w: int) -> MemoryPlan:
        parts = self.unet, self.vae, self.text_encoder
        network, *others = (sum(p.numel() * p.dtype.itemsize for p in part.parameters()) for part in parts)
        return plan_memory(
            None if limit is None else round(limit * 1e9),
            network + sum(others),
            network,
            call_memory(self.unet, windows[0].stop - windows[0].start, h, w),
            decode_memory(self.vae, h, w),
            can_offload=self.unet.device.type != "cpu",
        )

    def _noised(self, x: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """The latents of a known video, noised to timestep t."""
        abar = self.scheduler.alphas_cumprod[int(t)]
        return abar.sqrt() * x + (1 - abar).sqrt() * noise

    def _renoise(self, previous: Tensor, t: int, steps: int, generator: torch.Generator) -> Tensor:
        """Add noise again, from the previous timestep to t (paper, Algorithm 1)."""
        abar = self.scheduler.alphas_cumprod
        before = t - self.scheduler.config.num_train_timesteps // steps
        ratio = abar[t] / (abar[before] if before >= 0 else self.scheduler.final_alpha_cumprod)
        noise = torch.randn(previous.shape, generator=generator).to(previous.device)
        return ratio.sqrt() * previous + (1 - ratio).sqrt() * noise

    def _check(self, rig: Rig, steps: int, window_overlap: int | None) -> tuple[int, int]:
        """Validate the rig and the steps, and return the height and width of the latents."""
        factor = latent_factor(self.vae)
        config = self.unet.config
        check_rig(rig, factor, len(config.block_out_channels), config.motion_max_seq_length, window_overlap)
        most = self.scheduler.config.num_train_timesteps
        if steps > most:
            raise InputError(f"The number of steps is {steps}; give at most {most} for this model.")
        return rig.cameras.height // factor, rig.cameras.width // factor

    def _check_known(self, rig: Rig, known: Mapping[int, np.ndarray]) -> dict[int, np.ndarray]:
        shape = (rig.frames, rig.cameras.height, rig.cameras.width, 3)
        for v, frames in known.items():
            if not 0 <= v < rig.views:
                raise InputError(f"The rig has {rig.views} videos, so there is no known video {v}.")
            if frames.shape != shape:
                raise InputError(f"The known video {rig.names[v]} has the shape {frames.shape}; the rig's is {shape}.")
        if len(known) == rig.views:
            raise InputError("All videos are known, so there is nothing to sample; leave out at least one.")
        return {v: np.asarray(known[v], dtype=np.float32) for v in sorted(known)}


class _Timer:
    """Reports the expected total time after the first network call."""

    def __init__(self, calls: int, report: Callable[[str], None] | None) -> None:
        self.calls, self.report, self.start = calls, report, time.monotonic()

    def tick(self) -> None:
        if self.report is not None:
            seconds = time.monotonic() - self.start
            self.report(f"about {seconds * self.calls / 60:.1f} min for {self.calls} calls, at {seconds:.2f} s each")
            self.report = None
