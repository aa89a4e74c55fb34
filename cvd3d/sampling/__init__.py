"""Sample videos from a prompt and a rig: the diffusers pipeline and the matchings that pair videos."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvd3d.sampling.pipeline import CollaborativePipeline

__all__ = ["DEFAULT_MODEL", "CollaborativePipeline", "load_pipeline", "weights_hash"]

DEFAULT_MODEL = Path(__file__).parent.parent / "weights" / "default"


def load_pipeline(model: str | Path | None = None) -> CollaborativePipeline:
    """Load the pipeline of a model folder; None is the default model.

    Raises:
        InputError: no such folder, or a folder without a model.
    """
    from cvd3d.sampling.pipeline import CollaborativePipeline

    return CollaborativePipeline.from_pretrained(_folder(model))


@cache
def weights_hash(model: str | Path | None = None) -> str:
    """The first 16 hex digits of the sha256 of all weights of a model; None is the default model."""
    digest = hashlib.sha256()
    for file in sorted(_folder(model).rglob("*.safetensors")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _folder(model: str | Path | None) -> Path:
    from trajectories.errors import InputError

    folder = DEFAULT_MODEL if model is None else Path(model)
    if not folder.is_dir():
        raise InputError(
            f"There is no model folder {folder}; give a folder that 'cvd3d train' or save_pretrained wrote."
        )
    return folder


def __getattr__(name: str) -> Any:
    if name == "CollaborativePipeline":
        from cvd3d.sampling.pipeline import CollaborativePipeline  # loads torch

        return CollaborativePipeline
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
