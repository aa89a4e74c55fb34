"""Training of the diffusion network: the loss, and one stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from torch import Tensor
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from cvd3d.model.lora import SwitchedLora
from cvd3d.model.text import encode_text
from cvd3d.model.unet import CollaborativeUNet, ViewGeometry
from cvd3d.training.batches import Batch, BatchSource
from cvd3d.training.loop import learn
from cvd3d.training.recipe import EVERYTHING, DiffusionStage
from cvd3d.training.states import trainable
from trajectories import Cameras


@dataclass(frozen=True)
class Networks:
    """The UNet that a stage trains, and the modules that its loss needs."""

    unet: CollaborativeUNet
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerBase
    scheduler: DDIMScheduler
    lora: SwitchedLora | None = None
    """Active on batches with cameras, so that it and not the cross-view modules models the look of the posed clips."""


def diffusion_loss(networks: Networks, stage: DiffusionStage, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean squared error of the predicted v (or noise), weighted by the batch's weights."""
    scheduler, unet = networks.scheduler, networks.unet
    V, device = len(batch.latents), unet.device
    latents = batch.latents.to(device)
    steps = draw_timesteps(stage, V, scheduler.config.num_train_timesteps, generator).to(device)
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    noisy = scheduler.add_noise(latents, noise, steps)
    with torch.no_grad():
        text = encode_text(networks.tokenizer, networks.text_encoder, batch.prompts)
    partners = None if stage.pairs else torch.full((V,), -1)
    if networks.lora is not None:
        networks.lora.active = batch.cameras is not None
    cameras: Cameras | ViewGeometry | None = batch.cameras if stage.cameras else None
    if batch.homographies is not None:
        h, w = latents.shape[-2:]
        cameras = unet.warped_geometry(batch.homographies, batch.size, h, w, generator)
    prediction = unet(noisy, steps, text, cameras=cameras, partners=partners, generator=generator, motion=stage.motion)
    v_prediction = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(latents, noise, steps) if v_prediction else noise
    error = (prediction.float() - target).square()
    return (error if batch.weights is None else error * batch.weights.to(device)).mean()


def draw_timesteps(stage: DiffusionStage, videos: int, count: int, generator: torch.Generator) -> Tensor:
    """(videos,) timesteps below `count`; equal within a pair if `stage.shared_timestep` (paper, Eq. 2)."""
    if stage.timesteps == "uniform":
        steps = torch.randint(count, (videos,), generator=generator)
    else:
        # The sigmoid of a normal prefers the middle of the schedule, where shapes and colors are decided.
        steps = (torch.sigmoid(torch.randn(videos, generator=generator)) * count).long()
    return steps[::2].repeat_interleave(2) if stage.pairs and stage.shared_timestep else steps


def train_stage(
    networks: Networks,
    stage: DiffusionStage,
    source: BatchSource,
    state: Path,
    seed: int,
    deadline: float | None = None,
    after_save: Callable[[int], None] | None = None,
) -> None:
    """Train the stage's parameters of the UNet in place; see `loop.learn`."""
    networks.text_encoder.requires_grad_(False)
    parameters = trainable([networks.unet], stage.trains, stage.freezes)
    # Channels last is a fifth faster, but torch's group norm (2.13, CPU) crashes in it if its weights are frozen.
    channels_last = stage.trains == EVERYTHING
    networks.unet.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)

    def loss(count: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {"loss": diffusion_loss(networks, stage, source.draw(count, generator), generator)}

    title = f"Training the stage {stage.name!r}"
    learn(title, {"unet": networks.unet}, parameters, stage.schedule, loss, state, seed, deadline, after_save)
