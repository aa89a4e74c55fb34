"""`cvd3d` in several processes: the first one runs the command, the others only help with the network calls."""

from __future__ import annotations

import os
from typing import Any


def helps() -> bool:
    """Whether this process was started beside a first one; tells it from the environment, without torch."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and int(os.environ.get("RANK", "0")) > 0


def is_led() -> bool:
    """Whether other processes wait for this one."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and not helps()


def sample(model: Any, precision: str, **request: Any) -> Any:
    """Sample with all processes; the request is what a pipeline is called with.

    Returns:
        The pipeline's output.
    """
    if is_led():
        _send((model, precision, {name: value for name, value in request.items() if name != "tell"}))
    return _sample(model, precision, request)


def help_until_dismissed() -> None:
    """What the other processes do."""
    while (job := _send(None)) is not None:
        model, precision, request = job
        _sample(model, precision, {**request, "progress": False})


def dismiss() -> None:
    """Let the other processes end."""
    if is_led():
        _send(None)


def _sample(model: Any, precision: str, request: dict[str, Any]) -> Any:
    import torch

    from cvd3d import processes
    from cvd3d.sampling import load_pipeline

    pipeline = load_pipeline(model)
    if precision != "fp32":
        pipeline.unet.to(dtype={"fp16": torch.float16, "bf16": torch.bfloat16}[precision])
    if processes.device().type != "cpu":
        pipeline.to(processes.device())
    return pipeline(**request)


def _send(job: Any) -> Any:
    """What the first process hands over."""
    import torch.distributed as dist

    from cvd3d import processes

    processes.count()  # joins the others
    box = [job]
    dist.broadcast_object_list(box, src=0)
    return box[0]
