"""Weights of frames in the loss: frames that contradict the others get smaller weights."""

from __future__ import annotations

import torch
from torch import Tensor

MEMORY = 0.8
"""Decay of the running mean of a frame's loss."""
TOLERANCE = 1.5
"""Frames have full weight up to this multiple of the median loss."""


class Confidence:
    """A weight for each frame from its running loss: 1 up to TOLERANCE medians, then falling with its square.

    This is iteratively reweighted least squares with frames instead of single residuals, because a generated frame is
    usually wrong as a whole.

    Args:
        initial: (N,) initial weights.
        learned: whether losses change the weights.
    """

    def __init__(self, initial: Tensor, learned: bool) -> None:
        self.initial, self.learned = initial, learned
        self.losses = torch.full_like(initial, torch.nan)

    def weight(self, frame: int) -> float:
        """The weight of one frame."""
        return float(self.weights()[frame])

    def weights(self) -> Tensor:
        """(N,) weights, each at most the initial one."""
        if not self.learned:
            return self.initial
        # Frames without a loss so far have full weight.
        excess = (self.losses / (TOLERANCE * self.losses.nanmedian())).nan_to_num(1.0).clamp_min(1.0)
        return self.initial / excess.square()

    def update(self, frame: int, loss: float) -> None:
        """Add the unweighted loss of a frame to its running mean."""
        old = float(self.losses[frame])
        self.losses[frame] = loss if old != old else MEMORY * old + (1 - MEMORY) * loss
