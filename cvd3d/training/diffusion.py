"""Training of the network, one stage at a time, on stored latents."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextModel, PreTrainedTokenizerBase

from cvd3d import processes
from cvd3d.model.text import encode_text
from cvd3d.model.unet import CollaborativeUNet
from cvd3d.training.checkpoints import Average, load_state, save_state, trainable
from cvd3d.training.log import Log
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import EVERYTHING, Stage
from cvd3d.training.world.captions import caption
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


@dataclass(frozen=True)
class Batch:
    """V videos of one training step; in pairs, video 2i and 2i + 1 show one scene."""

    latents: Tensor
    """(V, C, T, h, w)."""
    prompts: list[str]
    """V captions; one of a pair serves both."""
    cameras: Cameras
    """(V, T)."""


def draw_batch(stage: Stage, pool: Pool, latents: np.ndarray, text_dropout: float, generator: torch.Generator) -> Batch:
    """Draw samples of the pool, and videos, frames and words of each.

    Args:
        latents: (samples, views, frames, C, h, w) of the pool.
        text_dropout: probability of an empty caption.
    """
    chosen = torch.randint(pool.samples, (stage.batch,), generator=generator)
    videos, prompts, poses, lenses = [], [], [], []
    for index in chosen.tolist():
        world, rig = pool.draw(index)
        stride = pool.frames // stage.frames
        if stride > 1:
            stride = int(torch.randint(1, stride + 1, (), generator=generator))
        start = int(torch.randint(pool.frames - stride * (stage.frames - 1), (), generator=generator))
        frames = slice(start, start + stride * (stage.frames - 1) + 1, stride)
        views = range(pool.views) if stage.pairs else [int(torch.randint(pool.views, (), generator=generator))]
        words = caption(world, generator)
        if float(torch.rand((), generator=generator)) < text_dropout:
            words = ""
        for view in views:
            videos.append(torch.from_numpy(latents[index, view, frames].astype(np.float32)).transpose(0, 1))
            prompts.append(words)
            poses.append(rig.cameras.c2w[view, frames])
            lenses.append(rig.cameras.K[view, frames])
    cameras = Cameras(np.stack(poses), np.stack(lenses), rig.cameras.width, rig.cameras.height)
    return Batch(torch.stack(videos), prompts, cameras)


def diffusion_loss(networks: Networks, stage: Stage, batch: Batch, generator: torch.Generator) -> Tensor:
    """Mean square error of the predicted v (or noise); the two videos of a pair share their timestep (paper, Eq. 2)."""
    scheduler = networks.scheduler
    V = len(batch.latents)
    # The sigmoid of a normal: the middle of the schedule, where shapes and colours are decided, comes most often.
    share = torch.sigmoid(torch.randn(V, generator=generator))
    steps = (share * scheduler.config.num_train_timesteps).long()
    if stage.pairs:
        steps = steps[::2].repeat_interleave(2)
    noise = torch.randn(batch.latents.shape, generator=generator)
    noisy = scheduler.add_noise(batch.latents, noise, steps)
    text = encode_text(networks.tokenizer, networks.text_encoder, batch.prompts)
    partners = None if stage.pairs else torch.full((V,), -1)
    prediction = networks.unet(
        noisy, steps, text, cameras=batch.cameras if stage.cameras else None, partners=partners, generator=generator,
        motion=stage.motion,
    )  # fmt: skip
    v_prediction = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(batch.latents, noise, steps) if v_prediction else noise
    return F.mse_loss(prediction, target)


def train_stage(
    networks: Networks, stage: Stage, pool: Pool, latents: Path, state_file: Path, seed: int, text_dropout: float
) -> None:
    """Train the stage's parameters in place, and leave their moving averages in them.

    Goes on from `state_file` if it is there; the same bits as an unbroken run. Every step draws from a seed of its
    own, and so does each of several processes (see `processes`), which share the batch.
    """
    stored = pool.load(latents)
    generator = torch.Generator()
    share = replace(stage, batch=max(1, stage.batch // processes.count()))
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
            batch = draw_batch(share, pool, stored, text_dropout, generator)
            loss = diffusion_loss(networks, stage, batch, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            processes.average_gradients(chosen.values())
            torch.nn.utils.clip_grad_norm_(list(chosen.values()), 1.0)
            optimizer.step()
            average.update(step)
            progress.advance(bar)
            log.add(step, loss=loss.item())
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
                state = {
                    "step": step + 1,
                    "unet": networks.unet.state_dict(),
                    "text_encoder": networks.text_encoder.state_dict(),
                    "optimizer": optimizer.state_dict(),
                    "average": average.values,
                }
                save_state(state_file, state)
    average.restore()
    for module in modules:
        module.requires_grad_(False)


def learning_rate(stage: Stage, step: int) -> float:
    """A linear warm-up, then a linear fall to 5 % over the last half."""
    fall = max(0.05, min(1.0, 2 * (1 - step / stage.steps)))
    return stage.learning_rate * min(1.0, (step + 1) / max(stage.warmup, 1)) * fall
