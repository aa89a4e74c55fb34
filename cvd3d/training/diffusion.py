"""Training of the network, one stage at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from cvd3d import processes
from cvd3d.model.lora import SwitchedLora
from cvd3d.model.text import encode_text
from cvd3d.model.unet import CollaborativeUNet, ViewGeometry
from cvd3d.training.batches import Batch, Source
from cvd3d.training.checkpoints import Average, load_state, save_state, trainable
from cvd3d.training.log import Log
from cvd3d.training.recipe import EVERYTHING, Stage
from trajectories import Cameras

SAVE_EVERY = 50
STEP_STRIDE, PROCESS_STRIDE = 1_000_003, 64  # keep the seeds of steps and processes apart


@dataclass(frozen=True)
class Networks:
    """What a stage trains and what it needs besides."""

    unet: CollaborativeUNet
    text_encoder: CLIPTextModel
    tokenizer: PreTrainedTokenizerBase
    scheduler: DDIMScheduler
    lora: SwitchedLora | None = None
    """At work where the cameras are known: the look of the posed clips is its business, not the cross-view modules'."""


def diffusion_loss(networks: Networks, stage: Stage, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean square error of the predicted v (or noise), where the batch shows something."""
    scheduler, unet = networks.scheduler, networks.unet
    V, device = len(batch.latents), unet.device
    latents = batch.latents.to(device)
    steps = draw_timesteps(stage, V, scheduler.config.num_train_timesteps, generator).to(device)
    noise = torch.randn(batch.latents.shape, generator=generator).to(device)
    noisy = scheduler.add_noise(latents, noise, steps)
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
    if batch.visible is not None:
        visible = batch.visible.to(device)
        prediction, target = prediction * visible, target * visible
    return F.mse_loss(prediction.float(), target)


def draw_timesteps(stage: Stage, videos: int, count: int, generator: torch.Generator) -> Tensor:
    """(videos,) timesteps below `count`; the two videos of a pair share theirs if the stage says so (paper, Eq. 2)."""
    if stage.timesteps == "uniform":
        steps = torch.randint(count, (videos,), generator=generator)
    else:
        # The sigmoid of a normal: the middle of the schedule, where shapes and colours are decided, comes most often.
        steps = (torch.sigmoid(torch.randn(videos, generator=generator)) * count).long()
    return steps[::2].repeat_interleave(2) if stage.pairs and stage.shared_timestep else steps


def train_stage(
    networks: Networks,
    stage: Stage,
    source: Source,
    state_file: Path,
    seed: int,
    after_save: Callable[[int], None] | None = None,
) -> None:
    """Train the stage's parameters in place, and leave their moving averages in them.

    Goes on from `state_file` if it is there; the same bits as an unbroken run. Every step draws from a seed of its
    own, and so does each of several processes (see `processes`), which share the batch.
    """
    generator = torch.Generator()
    share = max(1, stage.batch // processes.count())
    modules = (networks.unet, networks.text_encoder)
    chosen = trainable(modules, stage.trains, stage.freezes)
    # Channels last is a fifth faster, but torch's group norm dies in it (2.13, CPU) where its weights are frozen.
    channels_last = stage.trains == EVERYTHING
    networks.unet.to(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    if not stage.text:
        networks.text_encoder.requires_grad_(False)
        chosen = {name: p for name, p in chosen.items() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        chosen.values(), lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=1e-2, fused=True
    )
    average = Average(chosen, stage.ema)
    log = Log(state_file.with_suffix(".csv"))
    first = 0
    if (state := load_state(state_file)) is not None:
        first = state["step"]
        networks.unet.load_state_dict(state["unet"])
        networks.text_encoder.load_state_dict(state["text_encoder"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
    with Progress(disable=processes.rank() > 0) as progress:
        bar = progress.add_task(f"Training the stage {stage.name!r}", total=stage.steps, completed=first)
        for step in range(first, stage.steps):
            optimizer.param_groups[0]["lr"] = learning_rate(stage, step)
            generator.manual_seed((seed * STEP_STRIDE + step) * PROCESS_STRIDE + processes.rank())
            optimizer.zero_grad(set_to_none=True)
            losses = []
            for _ in range(stage.accumulate):
                batch = source.draw(share, generator)
                with torch.autocast(networks.unet.device.type, torch.bfloat16, enabled=stage.half):
                    loss = diffusion_loss(networks, stage, batch, generator) / stage.accumulate
                loss.backward()
                losses.append(loss.item())
            processes.average_gradients(chosen.values())
            torch.nn.utils.clip_grad_norm_(list(chosen.values()), 1.0)
            optimizer.step()
            average.update(step)
            progress.advance(bar)
            log.add(step, loss=sum(losses))
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
                state = {
                    "step": step + 1,
                    "unet": networks.unet.state_dict(),
                    "text_encoder": networks.text_encoder.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.values,
                }
                save_state(state_file, state)
                if after_save is not None:
                    after_save(step + 1)
    average.restore()
    for module in modules:
        module.requires_grad_(False)


def learning_rate(stage: Stage, step: int) -> float:
    """A linear warm-up, then a linear fall to 5 % over the last half, unless the stage's is constant."""
    fall = 1.0 if stage.constant else max(0.05, min(1.0, 2 * (1 - step / stage.steps)))
    return stage.learning_rate * min(1.0, (step + 1) / max(stage.warmup, 1)) * fall
