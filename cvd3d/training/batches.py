"""Training batches, and the interface of their sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from trajectories import Cameras


@dataclass(frozen=True)
class Batch:
    """V videos of one training step; in pairs, videos 2i and 2i + 1 show the same scene."""

    latents: Tensor
    """(V, C, T, h, w)."""
    prompts: list[str]
    """V captions; the two videos of a pair have the same one."""
    cameras: Cameras | None = None
    """(V, T)."""
    homographies: np.ndarray | None = None
    """(V, T, 3, 3) from each video's pixels to its partner's, if the pair is a clip and its warped copy."""
    size: tuple[int, int] = (0, 0)
    """Width and height in pixels of the images that the homographies refer to."""
    weights: Tensor | None = None
    """(V, 1, T, h, w) weights of the latents in the loss: 0 where a warped clip has no pixels; None means 1 for all."""


class BatchSource(Protocol):
    """A source of training batches."""

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw a batch of `count` samples; a sample is a video or a pair."""


@dataclass(frozen=True)
class Mixture:
    """Draws each batch from one source, chosen at random by the weights (paper, section 3.4)."""

    sources: Sequence[BatchSource]
    weights: Sequence[float]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """Draw a batch from one of the sources."""
        choice = torch.multinomial(torch.tensor(self.weights, dtype=torch.float64), 1, generator=generator)
        return self.sources[int(choice)].draw(count, generator)
