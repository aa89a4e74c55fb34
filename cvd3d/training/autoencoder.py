"""Training of the small autoencoder on single images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress
from torch import Tensor
from torch.nn import functional as F

from cvd3d import processes
from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.training.checkpoints import Average, load_state, save_state, trainable
from cvd3d.training.log import Log
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import AutoencoderStage

SAVE_EVERY = 100


def train_autoencoder(
    autoencoder: SmallAutoencoder, stage: AutoencoderStage, pool: Pool, pixels: Path, state_file: Path, seed: int
) -> None:
    """Train in place on the pool's stored pixels; goes on from `state_file` if it is there.

    The loss is L1 + L2 of the pixels, L1 of the image gradients, and a small penalty on the latents. Afterwards the
    latents' statistics over the pool are in the autoencoder (unless only the decoder learns).
    """
    images = pool.load(pixels).reshape(-1, *_image_shape(pool, pixels))
    generator = torch.Generator().manual_seed(seed)
    parameters = trainable([autoencoder], ("decoder",) if stage.decoder_only else ("",), ())
    optimizer = torch.optim.AdamW(parameters.values(), lr=stage.learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
    average = Average(parameters, 0.998)
    log = Log(state_file.with_suffix(".csv"))
    first = 0
    if (state := load_state(state_file)) is not None:
        first = state["step"]
        autoencoder.load_state_dict(state["autoencoder"])
        optimizer.load_state_dict(state["optimizer"])
        average.values = state["average"]
        generator.set_state(state["generator"])
    with Progress(disable=processes.rank() > 0) as progress:
        bar = progress.add_task("Training the autoencoder", total=stage.steps, completed=first)
        for step in range(first, stage.steps):
            optimizer.param_groups[0]["lr"] = stage.learning_rate * min(1, (step + 1) / 100, 1.02 - step / stage.steps)
            chosen = torch.randint(len(images), (stage.batch,), generator=generator).numpy()
            frames = torch.from_numpy(images[chosen]).movedim(-1, 1).float() / 255
            loss, error = _loss(autoencoder, frames, stage, generator)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(parameters.values()), 1.0)
            optimizer.step()
            average.update(step)
            log.add(step, loss=loss.item(), psnr=-10 * np.log10(error.item()))
            progress.advance(bar)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == stage.steps:
                save_state(
                    state_file,
                    {
                        "step": step + 1,
                        "autoencoder": autoencoder.state_dict(),
                        "optimizer": optimizer.state_dict(),
                        "average": average.values,
                        "generator": generator.get_state(),
                    },
                )
    average.restore()
    autoencoder.requires_grad_(False)
    if not stage.decoder_only:
        _measure_latents(autoencoder, images[:2048])


def _image_shape(pool: Pool, pixels: Path) -> tuple[int, ...]:
    name, _ = next(iter(pool.shards()))
    return np.load(pixels / pool.name / name, mmap_mode="r").shape[-3:]


def _loss(
    autoencoder: SmallAutoencoder, frames: Tensor, stage: AutoencoderStage, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    z = autoencoder.encode_frames(frames)
    deviation = z.detach().std(dim=(0, 2, 3), keepdim=True)
    noisy = z + stage.noise * deviation * torch.randn(z.shape, generator=generator)
    difference = autoencoder.decode_frames(noisy) - frames
    error = difference.square().mean()
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    loss = difference.abs().mean() + 4 * error + stage.edges * edges + stage.penalty * z.square().mean()
    return loss, F.mse_loss(difference, torch.zeros_like(difference)).detach()


@torch.no_grad()
def _measure_latents(autoencoder: SmallAutoencoder, images: np.ndarray) -> None:
    batches = torch.from_numpy(images).movedim(-1, 1).split(64)
    z = torch.cat([autoencoder.encode_frames(batch.float() / 255) for batch in batches])
    autoencoder.latent_mean.copy_(z.mean(dim=(0, 2, 3)).view(-1, 1, 1))
    autoencoder.latent_std.copy_(z.std(dim=(0, 2, 3)).view(-1, 1, 1))
