"""Save and restore the state of a sampling run, so that a stopped run resumes and gives the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from cvd3d import processes
from cvd3d.sampling.matchings import Matcher
from recon.checkpoint import load_checkpoint, save_checkpoint


@dataclass(frozen=True)
class Resume:
    """The checkpoint file of one request; a checkpoint of another request is ignored."""

    path: Path | None
    """None saves nothing."""
    request: str
    """A hash of everything that determines the videos."""

    def save(self, passes: int, z: Tensor, matcher: Matcher, generator: torch.Generator) -> None:
        """Save the state after `passes` passes."""
        if self.path is None or processes.rank() > 0:
            return
        state = {
            "fingerprint": self.request,
            "passes": passes,
            "z": z.cpu(),
            "turn": matcher.turn,
            "meetings": torch.from_numpy(matcher.meetings),
            "generator": generator.get_state(),
        }
        save_checkpoint(state, self.path)

    def load(self, z: Tensor, matcher: Matcher, generator: torch.Generator) -> tuple[int, Tensor]:
        """Return the number of finished passes and the latents after them; restore the matcher and the generator.

        Args:
            z: the initial latents, returned if there is no checkpoint.
        """
        state = None if self.path is None else load_checkpoint(self.path, self.request)
        if state is None:
            return 0, z
        matcher.turn, matcher.meetings = state["turn"], state["meetings"].numpy()
        generator.set_state(state["generator"])
        return state["passes"], state["z"].to(z.device)
