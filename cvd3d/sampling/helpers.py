"""Run `cvd3d` in several processes: rank 0 leads and runs the command, helper processes share its network calls."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cvd3d.sampling.pipeline import CollaborativeOutput
    from cvd3d.sampling.request import Request
    from trajectories.rig import Rig

_helpers_waiting = True  # whether the helper processes wait for a message of the leader


def is_helper() -> bool:
    """Whether this is a helper process; read from the environment, without torch."""
    return _count() > 1 and int(os.environ.get("RANK", "0")) > 0


def sample(request: Request, rig: Rig, checkpoint: Path, report: Callable[[str], None]) -> CollaborativeOutput:
    """Load the model of a request and sample with all processes; then the helper processes end.

    Raises:
        InputError: what the model refuses.
    """
    global _helpers_waiting
    from trajectories.errors import InputError

    if _leads():
        _broadcast((request, rig, checkpoint))
    try:
        output = _sample(request, rig, checkpoint, report=report)
    except InputError:
        raise  # the helper processes raise the same error and wait for their exit status
    except BaseException:
        _helpers_waiting = False  # they are in a network call, which fails when this process ends
        raise
    dismiss()
    return output


def dismiss(status: int = 0) -> None:
    """End the waiting helper processes with this exit status."""
    global _helpers_waiting
    if _leads() and _helpers_waiting:
        _helpers_waiting = False
        _broadcast(status)
        _leave()


def help_leader() -> None:
    """Run a helper process: at most one sampling run, without output.

    Raises:
        SystemExit: with the exit status of the leader.
    """
    from trajectories.errors import InputError

    message = _broadcast(None)
    if not isinstance(message, int):
        with suppress(InputError):  # the leader reports it
            _sample(*message, progress=False)
        message = _broadcast(None)
    _leave()
    sys.exit(message)


def _count() -> int:
    return int(os.environ.get("WORLD_SIZE", "1"))


def _leads() -> bool:
    return _count() > 1 and not is_helper()


def _sample(request: Request, rig: Rig, checkpoint: Path, **options: Any) -> CollaborativeOutput:
    import torch

    from cvd3d import processes
    from cvd3d.sampling import load_pipeline

    pipeline = load_pipeline(request.model)
    if request.precision != "fp32":
        pipeline.unet.to(dtype={"fp16": torch.float16, "bf16": torch.bfloat16}[request.precision])
    if processes.device().type != "cpu":
        pipeline.to(processes.device())
    return pipeline.sample(request, rig, checkpoint=checkpoint, **options)


def _broadcast(message: Any) -> Any:
    """Send the leader's message to all processes and return it in each."""
    import torch.distributed as dist

    from cvd3d import processes

    processes.count()  # joins the process group
    box = [message]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def _leave() -> None:
    from cvd3d import processes

    processes.leave()
