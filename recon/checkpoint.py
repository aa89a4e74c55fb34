"""The state of long work on disk: of a fit, or of a generation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from trajectories.files import whole


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a tree of tensors and plain values; a kill leaves the old file or the new one."""
    with whole(path) as beside, beside.open("wb") as file:
        torch.save(state, file)


def load_checkpoint(path: Path, fingerprint: str) -> dict[str, Any] | None:
    """Read what `save_checkpoint` wrote, or None if there is none for this `fingerprint`, or only a damaged one."""
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch has many words for damage
        return None
    return state if state.get("fingerprint") == fingerprint else None
