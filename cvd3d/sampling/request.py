"""The sampling request: it defines the command line options, the record in scene.json and the hash."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

Matching = Literal["random", "overlap", "exhaustive"]
Precision = Literal["fp32", "fp16", "bf16"]


@dataclass(frozen=True, eq=False)
class Request:
    """Everything that determines the videos, except the rig; None selects the model's default.

    Raises:
        InputError: an empty prompt, or a field out of range.
    """

    prompt: str
    """What all videos show."""
    negative_prompt: str = ""
    """What the videos should not show."""
    steps: int | None = None
    """Denoising steps."""
    guidance: float | None = None
    """Strength of the prompt (classifier-free guidance); 1 switches guidance off and halves the cost."""
    model: Path | None = None
    """A folder with another model's weights."""
    matching: Matching = "random"
    """How videos are paired: random (the paper), overlap (prefer videos that see the same things) or exhaustive (all
    pairs in each pass)."""
    recurrences: int | None = None
    """Passes per denoising step (the paper's R)."""
    matchings: int | None = None
    """Matchings averaged in each pass (the paper's Q)."""
    window_overlap: int | None = None
    """For videos longer than the model's: sample them in windows that overlap by this number of frames."""
    known: Mapping[int, Any] = field(default_factory=dict)
    """(T, H, W, 3) float32 frames in [0, 1] of videos that are kept fixed, by video index."""
    max_memory: float | None = None
    """Limit on memory in GB; smaller batches are used to stay below it."""
    precision: Precision = "fp32"
    """Precision of the network's weights. fp16 and bf16 are faster on a GPU."""
    cross_view_scale: float = 1.0
    """Strength of the cross-view modules; 0 makes the videos independent of each other."""
    seed: int = 0
    """Seed of all random draws."""

    def __post_init__(self) -> None:
        # Imported here because `trajectories` imports numpy, which `cvd3d --help` does not need.
        from trajectories.errors import InputError

        if not self.prompt.strip():
            raise InputError("The prompt is empty; describe what the scene shows.")
        for name in ("steps", "recurrences", "matchings"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"The number of {name} is {value}; give at least 1.")
        for name in ("guidance", "cross_view_scale"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise InputError(f"{name} is {value}; give a number of 0 or more.")
        if self.max_memory is not None and not (math.isfinite(self.max_memory) and self.max_memory > 0):
            raise InputError(f"max_memory is {self.max_memory}; give a number of GB above 0.")
        for name, choices in (("matching", get_args(Matching)), ("precision", get_args(Precision))):
            if getattr(self, name) not in choices:
                raise InputError(f"The {name} is {getattr(self, name)!r}; known: {', '.join(choices)}.")
        if self.model is not None and not self.model.is_dir():
            raise InputError(f"There is no model folder {self.model}; check --model.")

    def record(self) -> dict[str, Any]:
        """All fields as JSON values, with hashes of the known videos and of the model's weights."""
        from cvd3d.sampling import weights_hash

        values = {each.name: getattr(self, each.name) for each in fields(self)}
        del values["model"]
        known = {str(v): hashlib.sha256(frames.tobytes()).hexdigest() for v, frames in sorted(self.known.items())}
        return {**values, "known": known, "weights": weights_hash(self.model)}

    def hash(self) -> str:
        """A hash of the record, as 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.record(), sort_keys=True).encode()).hexdigest()
