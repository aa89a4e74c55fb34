"""Training of the small autoencoder on single images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.training.loop import learn
from cvd3d.training.pools import Pool
from cvd3d.training.recipe import AutoencoderStage
from cvd3d.training.states import trainable


def train_autoencoder(
    autoencoder: SmallAutoencoder,
    stage: AutoencoderStage,
    pool: Pool,
    pixels: Path,
    state: Path,
    seed: int,
    deadline: float | None = None,
) -> None:
    """Train in place on the pool's stored pixels; see `loop.learn`.

    The loss is L1 + L2 of the pixels, L1 of the image gradients, and a small penalty on the latents. At the end the
    latents' statistics over the pool are stored in the autoencoder (unless only the decoder is trained).
    """
    images = pool.load(pixels).reshape(-1, *_image_shape(pool, pixels))
    parameters = trainable([autoencoder], ("decoder",) if stage.decoder_only else ("",), ())

    def loss(count: int, generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(len(images), (count,), generator=generator).numpy()
        frames = torch.from_numpy(images[chosen]).movedim(-1, 1).to(autoencoder.device).float() / 255
        total, error = _loss(autoencoder, frames, stage, generator)
        return {"loss": total, "psnr": -10 * error.log10()}

    learn(
        f"Training the {stage.name}", {"autoencoder": autoencoder}, parameters, stage.schedule, loss, state, seed,
        deadline,
    )  # fmt: skip
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
    noisy = z + stage.noise * deviation * torch.randn(z.shape, generator=generator).to(z.device)
    difference = autoencoder.decode_frames(noisy) - frames
    error = difference.square().mean()
    edges = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    loss = difference.abs().mean() + 4 * error + stage.edges * edges + stage.penalty * z.square().mean()
    return loss, F.mse_loss(difference, torch.zeros_like(difference)).detach()


@torch.no_grad()
def _measure_latents(autoencoder: SmallAutoencoder, images: np.ndarray) -> None:
    batches = torch.from_numpy(images).movedim(-1, 1).split(64)
    z = torch.cat([autoencoder.encode_frames(batch.to(autoencoder.device).float() / 255) for batch in batches])
    autoencoder.latent_mean.copy_(z.mean(dim=(0, 2, 3)).view(-1, 1, 1))
    autoencoder.latent_std.copy_(z.std(dim=(0, 2, 3)).view(-1, 1, 1))
