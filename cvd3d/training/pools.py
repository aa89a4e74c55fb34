"""Pools of training samples, rendered and encoded once and stored in shards.

A sample is determined by the pool's seed and its index. Only pixels and latents are stored; the world, caption and
cameras are drawn again when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.progress import track

from cvd3d import processes
from cvd3d.model.autoencoder import SmallAutoencoder
from cvd3d.training.rig_draws import sample_rig
from cvd3d.training.world.render import render
from cvd3d.training.world.scenes import World, sample_world
from trajectories import Rig
from trajectories.files import whole

SHARD = 64
INDEX_STRIDE = 1_000_003  # makes the seeds of all pools and samples different


@dataclass(frozen=True)
class Pool:
    """`samples` scenes, each shown by `views` videos of `frames` frames."""

    name: str
    seed: int
    samples: int
    views: int
    frames: int

    def draw(self, index: int) -> tuple[World, Rig]:
        """The scene and the cameras of one sample."""
        generator = torch.Generator().manual_seed(self.seed * INDEX_STRIDE + index)
        return sample_world(generator), sample_rig(generator, self.views, self.frames)

    def render(self, index: int) -> np.ndarray:
        """(views, frames, H, W, 3) uint8 images of one sample."""
        world, rig = self.draw(index)
        return render(world, rig.cameras, rig.times)

    def shards(self) -> Iterator[tuple[str, range]]:
        """The file name and the samples of each shard."""
        for start in range(0, self.samples, SHARD):
            yield f"{start:06d}.npy", range(start, min(start + SHARD, self.samples))

    def write_pixels(self, folder: Path) -> None:
        """Render the whole pool into `folder/NAME`; existing shards are kept."""
        for path, indices in self._missing(folder, "Rendering"):
            _save(path, np.stack([self.render(i) for i in indices]))

    @torch.no_grad()
    def write_latents(self, folder: Path, autoencoder: SmallAutoencoder) -> None:
        """Render and encode the whole pool into `folder/NAME` as float16; existing shards are kept."""
        for path, indices in self._missing(folder, "Encoding"):
            batches = (_to_batch(self.render(i)).to(autoencoder.device) for i in indices)
            encoded = [autoencoder.encode_frames(batch).half().cpu().numpy() for batch in batches]
            _save(path, np.stack(encoded).reshape(len(indices), self.views, self.frames, *encoded[0].shape[1:]))

    def load(self, folder: Path) -> np.ndarray:
        """(samples, views, frames, ...) array of all shards in `folder/NAME`."""
        return np.concatenate([np.load(folder / self.name / name) for name, _ in self.shards()])

    def _missing(self, folder: Path, verb: str) -> Iterator[tuple[Path, range]]:
        target = folder / self.name
        target.mkdir(parents=True, exist_ok=True)
        shards = list(self.shards())[processes.rank() :: processes.count()]
        for name, indices in track(shards, f"{verb} the pool {self.name!r}", disable=processes.rank() > 0):
            if not (target / name).exists():
                yield target / name, indices
        processes.wait()


def _to_batch(frames: np.ndarray) -> torch.Tensor:
    """(views, frames, H, W, 3) uint8 to (views * frames, 3, H, W) in [0, 1]."""
    return torch.from_numpy(frames).flatten(0, 1).movedim(-1, 1).float() / 255


def _save(path: Path, array: np.ndarray) -> None:
    with whole(path) as temporary, temporary.open("wb") as file:
        np.save(file, array)
