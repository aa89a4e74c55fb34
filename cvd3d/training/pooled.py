"""Batches of a pool: stored latents, and the words and cameras of their scenes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from cvd3d.training.batches import Batch
from cvd3d.training.pools import Pool
from cvd3d.training.world.captions import caption
from trajectories import Cameras


@dataclass(frozen=True)
class PooledVideos:
    """Videos of a pool, or pairs of them."""

    pool: Pool
    latents: np.ndarray
    """(samples, views, frames, C, h, w) of the pool."""
    frames: int
    """Frames of each video, taken from the pool's with an even stride."""
    pairs: bool
    text_dropout: float
    """Share of empty captions."""

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw samples of the pool, and videos, frames and words of each."""
        pool = self.pool
        chosen = torch.randint(pool.samples, (count,), generator=generator)
        videos, prompts, poses, lenses = [], [], [], []
        for index in chosen.tolist():
            world, rig = pool.draw(index)
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
                poses.append(rig.cameras.c2w[view, frames])
                lenses.append(rig.cameras.K[view, frames])
        cameras = Cameras(np.stack(poses), np.stack(lenses), rig.cameras.width, rig.cameras.height)
        return Batch(torch.stack(videos), prompts, cameras)
