"""Exposure compensation: a learned gain and offset for each color channel of each frame.

Kerbl et al. 2024 (Hierarchical 3DGS) learn a full matrix per frame; exposure and white balance are its diagonal.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from recon.fitting.optimizer_state import optimizer_state, set_optimizer_state


class Exposures:
    """Color corrections of frames, optimized together with the splats; their mean is the identity.

    Args:
        frames: the fitted frames.
        rate: learning rate.
        device: device of the images.
    """

    def __init__(self, frames: Iterable[int], rate: float, device: torch.device | str) -> None:
        self.changes = {frame: torch.nn.Parameter(_identity(device)) for frame in frames}
        """By frame, (2, 3): the gains and the offsets of R, G, B."""
        self.rate = rate
        # Adam skips parameters without gradient, so each frame has a separate step count.
        self.optimizer = torch.optim.Adam(list(self.changes.values()), lr=rate, eps=1e-15)

    def apply(self, image: Tensor, frame: int) -> Tensor:
        """A rendered image (H, W, 3) with the correction of a frame."""
        gain, offset = self.changes[frame]
        return image * gain + offset

    def advance(self, decay: float) -> None:
        """Do one optimizer step with the learning rate times `decay`, and clear the gradients."""
        self.optimizer.param_groups[0]["lr"] = self.rate * decay
        self.optimizer.step()
        self.clear()
        with torch.no_grad():
            every = torch.stack(list(self.changes.values()))
            # The mean correction belongs to the splats' colors, so it is removed here.
            shared = every.mean(dim=0) - _identity(every.device)
            for change in self.changes.values():
                change.sub_(shared)

    def clear(self) -> None:
        """Clear the gradients."""
        self.optimizer.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Any]:
        """A copy of everything that the next step depends on."""
        return {
            "changes": {frame: change.detach().clone() for frame, change in self.changes.items()},
            "optimizer": {frame: optimizer_state(self.optimizer, change) for frame, change in self.changes.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a copy that `state` returned."""
        for frame, change in self.changes.items():
            change.data = state["changes"][frame].clone().to(change.device)
            set_optimizer_state(self.optimizer, change, state["optimizer"][frame])


def _identity(device: torch.device | str) -> Tensor:
    return torch.tensor([[1.0] * 3, [0.0] * 3], device=device)
