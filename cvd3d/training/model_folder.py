"""Writes the trained model as a model folder."""

from __future__ import annotations

from pathlib import Path

import torch

from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.sampling.quiet import quiet
from trajectories.files import whole


def save_model(
    pipeline: CollaborativePipeline, folder: Path, dtype: torch.dtype = torch.float32, shard: str | None = None
) -> None:
    """Write a float32 pipeline as safetensors, replacing an existing model; the pipeline is moved to the CPU.

    Args:
        pipeline: the model.
        folder: the model folder.
        dtype: precision of the weights in the files.
        shard: maximum size of a weights file, such as "15MB"; the libraries' default if None.
    """
    pipeline.to("cpu")
    with quiet(), whole(folder) as temporary:
        pipeline.to(dtype=dtype).save_pretrained(temporary, safe_serialization=True, max_shard_size=shard)
        pipeline.to(dtype=torch.float32)
