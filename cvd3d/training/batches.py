"""What one training step sees, and where it may come from."""

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
    """V videos of one training step; in pairs, video 2i and 2i + 1 show one scene."""

    latents: Tensor
    """(V, C, T, h, w)."""
    prompts: list[str]
    """V captions; one of a pair serves both."""
    cameras: Cameras | None = None
    """(V, T)."""
    homographies: np.ndarray | None = None
    """(V, T, 3, 3) pixels of each video to its partner's, where the pair is one clip and its warped copy."""
    size: tuple[int, int] = (0, 0)
    """Width and height of the images that the homographies belong to."""
    weights: Tensor | None = None
    """(V, 1, T, h, w) of the latents in the loss: 0 where a warp left nothing; all weigh 1 where None."""


class BatchSource(Protocol):
    """Where batches come from."""

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """A batch of so many samples, each one video or one pair."""


@dataclass(frozen=True)
class Mixture:
    """Each batch is of one source, chosen by the weights (paper, section 3.4: the branch follows the data)."""

    sources: Sequence[BatchSource]
    weights: Sequence[float]

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        """A batch of one of the sources."""
        choice = torch.multinomial(torch.tensor(self.weights, dtype=torch.float64), 1, generator=generator)
        return self.sources[int(choice)].draw(count, generator)
