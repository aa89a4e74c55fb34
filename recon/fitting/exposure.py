"""Frames in different light: a gain and an offset for each color of each frame.

Kerbl et al. 2024 (Hierarchical 3DGS) learn a whole matrix a frame; exposure and white balance are its diagonal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from recon.fitting.averages import averages, set_averages


class Exposures:
    """A change of color for each frame, learnt beside the splats; on average they change nothing.

    Args:
        frames: those that are fitted.
        rate: learning rate.
        device: where images are.
    """

    def __init__(self, frames: Iterable[int], rate: float, device: torch.device | str) -> None:
        self.changes = {frame: torch.nn.Parameter(_neutral(device)) for frame in frames}
        """By frame, (2, 3): the gains and the offsets of R, G, B."""
        self.rate = rate
        # Adam passes over the frames that have no gradient, so each has steps of its own.
        self.optimizer = torch.optim.Adam(list(self.changes.values()), lr=rate, eps=1e-15)

    def apply(self, image: Tensor, frame: int) -> Tensor:
        """An image (H, W, 3) of the splats as it looks in the light of a frame."""
        gain, offset = self.changes[frame]
        return image * gain + offset

    def advance(self, decay: float) -> None:
        """One step along the gradients, which are cleared, at the rate times `decay`."""
        self.optimizer.param_groups[0]["lr"] = self.rate * decay
        self.optimizer.step()
        self.clear()
        with torch.no_grad():
            every = torch.stack(list(self.changes.values()))
            # What all frames share belongs to the splats' colors.
            shared = every.mean(dim=0) - _neutral(every.device)
            for change in self.changes.values():
                change.sub_(shared)

    def clear(self) -> None:
        """Forget the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """A copy of what the next step depends on."""
        return {
            "changes": {frame: change.detach().clone() for frame, change in self.changes.items()},
            "optimizer": {frame: averages(self.optimizer, change) for frame, change in self.changes.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back, or on, to what `state` gave."""
        for frame, change in self.changes.items():
            change.data = state["changes"][frame].clone().to(change.device)
            set_averages(self.optimizer, change, state["optimizer"][frame])


def _neutral(device: torch.device | str) -> Tensor:
    return torch.tensor([[1.0] * 3, [0.0] * 3], device=device)
