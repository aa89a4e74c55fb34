"""How much each frame counts: those that the others contradict count less."""

from __future__ import annotations

import torch
from torch import Tensor

MEMORY = 0.8
"""Share of the old value in the running mean of a frame's loss."""
TOLERANCE = 1.5
"""Times the median loss up to which a frame counts fully."""


class Confidence:
    """A weight for each frame, from its running loss: 1 up to TOLERANCE medians, then falling with its square.

    This is iteratively reweighted least squares with whole frames in place of residuals: generated frames are wrong as
    a whole when they are wrong.

    Args:
        given: (N,) weights that frames have from the start.
        learnt: whether losses change them.
    """

    def __init__(self, given: Tensor, learnt: bool) -> None:
        self.given, self.learnt = given, learnt
        self.losses = torch.full_like(given, torch.nan)

    def weight(self, frame: int) -> float:
        """The weight of one frame."""
        return float(self.weights()[frame])

    def weights(self) -> Tensor:
        """(N,) weights, each at most the given one."""
        if not self.learnt:
            return self.given
        # Frames that were not seen yet count fully.
        excess = (self.losses / (TOLERANCE * self.losses.nanmedian())).nan_to_num(1.0).clamp_min(1.0)
        return self.given / excess.square()

    def saw(self, frame: int, loss: float) -> None:
        """Remember the loss of a frame, without its weight."""
        old = float(self.losses[frame])
        self.losses[frame] = loss if old != old else MEMORY * old + (1 - MEMORY) * loss
