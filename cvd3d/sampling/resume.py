"""A generation that was stopped goes on to the same bytes: its latents and all that later draws depend on."""

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
    """Where the state of one request is kept; a state of another request counts for nothing."""

    path: Path | None
    """None keeps nothing."""
    request: str
    """A hash of all that determines the videos."""

    def save(self, passes: int, z: Tensor, matcher: Matcher, generator: torch.Generator) -> None:
        """Keep the state after so many passes."""
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
        """The number of passes that are done and the latents after them; sets the matcher and generator to that point.

        Args:
            z: the latents to start from where there is no state.
        """
        state = None if self.path is None else load_checkpoint(self.path, self.request)
        if state is None:
            return 0, z
        matcher.turn, matcher.meetings = state["turn"], state["meetings"].numpy()
        generator.set_state(state["generator"])
        return state["passes"], state["z"].to(z.device)
