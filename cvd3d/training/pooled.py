"""Training batches from a pool: stored latents with the captions and cameras of their scenes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch

from cvd3d.training.batches import Batch
from cvd3d.training.pools import Pool
from cvd3d.training.world.captions import caption
from cvd3d.training.world.coverage import object_coverage
from cvd3d.training.world.scenes import World
from trajectories import Cameras, Rig


@dataclass(frozen=True)
class PooledVideos:
    """Draws batches of videos, or of pairs of videos, from a pool."""

    pool: Pool
    latents: np.ndarray
    """(samples, views, frames, C, h, w) latents of the pool."""
    frames: int
    """Frames of each video, drawn from the pool's with a constant stride."""
    pairs: bool
    text_dropout: float
    """Share of empty captions."""
    object_weight: float = 0.0
    """Additional loss weight of a latent that shows an object, before the weights are normalized to mean 1."""
    _drawn: dict[int, tuple[World, Rig]] = field(default_factory=dict, repr=False)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw `count` samples, and the videos, frames and caption of each."""
        pool = self.pool
        h, w = self.latents.shape[-2:]
        chosen = torch.randint(pool.samples, (count,), generator=generator)
        videos, prompts, c2w, K, weights = [], [], [], [], []
        for index in chosen.tolist():
            if index not in self._drawn:
                self._drawn[index] = pool.draw(index)
            world, rig = self._drawn[index]
            stride = pool.frames // self.frames
            if stride > 1:
                stride = int(torch.randint(1, stride + 1, (), generator=generator))
            start = int(torch.randint(pool.frames - stride * (self.frames - 1), (), generator=generator))
            frames = slice(start, start + stride * (self.frames - 1) + 1, stride)
            views = range(pool.views) if self.pairs else [int(torch.randint(pool.views, (), generator=generator))]
            words = caption(world, generator)
            if float(torch.rand((), generator=generator)) < self.text_dropout:
                words = ""
            for view in views:
                videos.append(torch.from_numpy(self.latents[index, view, frames].astype(np.float32)).transpose(0, 1))
                prompts.append(words)
                cameras = rig.cameras[view, frames]
                c2w.append(cameras.c2w)
                K.append(cameras.K)
                weights.append(1 + self.object_weight * object_coverage(world, cameras, rig.times[frames], h, w))
        cameras = Cameras(np.stack(c2w), np.stack(K), rig.cameras.width, rig.cameras.height)
        weight = torch.from_numpy(np.stack(weights)).float().unsqueeze(1)
        return Batch(torch.stack(videos), prompts, cameras, weights=weight / weight.mean())
