"""The model folder that a training ends with."""

from __future__ import annotations

from pathlib import Path

import torch

from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.sampling.quiet import quiet
from trajectories.files import whole


def save_model(
    pipeline: CollaborativePipeline, folder: Path, dtype: torch.dtype = torch.float32, shard: str | None = None
) -> None:
    """Write a float32 pipeline as safetensors, in the place of the model that is there; it stays on the CPU.

    Args:
        pipeline: the model.
        folder: the model folder.
        dtype: of the weights in the files.
        shard: the most that a file of weights holds, such as "15MB"; as the libraries choose by default.
    """
    pipeline.to("cpu")
    with quiet(), whole(folder) as beside:
        pipeline.to(dtype=dtype).save_pretrained(beside, safe_serialization=True, max_shard_size=shard)
        pipeline.to(dtype=torch.float32)
