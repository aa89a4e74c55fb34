"""Save and load checkpoints of long computations: a fit, or the sampling of videos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trajectories.files import whole


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a tree of tensors and plain values atomically: a kill leaves the old file or the new one."""
    with whole(path) as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Read a checkpoint of `save_checkpoint`; None if it is missing, damaged or has another `fingerprint`."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds of exceptions for damaged files
        return None
    return state if state.get("fingerprint") == fingerprint else None
