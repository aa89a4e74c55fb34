"""Data-parallel processes, started by `accelerate launch` or `torchrun`; without a launcher there is one process.

In training, each process computes a share of the batch and the gradients are averaged. In sampling, each process
computes a share of the network calls of a pass. On a CPU, two processes of one thread may be faster than one process of
two threads.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.distributed as dist
from torch import Tensor

from trajectories.errors import InputError

if TYPE_CHECKING:
    from accelerate import PartialState


@cache
def _state() -> PartialState:
    """The state of the process group; the first call joins the group."""
    from accelerate import PartialState

    return PartialState(cpu=not torch.cuda.is_available())


def rank() -> int:
    """The rank of this process; rank 0 writes the files."""
    return _state().process_index


def count() -> int:
    """The number of processes."""
    return _state().num_processes


def device() -> torch.device:
    """The device of this process: one GPU, or the CPU."""
    return _state().device


def named_device(name: str | None) -> torch.device:
    """The device of that name; None selects the device of this process.

    Raises:
        InputError: the name is unknown to torch, or the machine does not have the device.
    """
    if name is None:
        return device()
    try:
        named = torch.device(name)
        torch.empty(0, device=named)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"The device {name!r} is not available ({reason}); give cpu, or cuda with a GPU.") from None
    return named


def wait() -> None:
    """Wait until all processes have called this."""
    _state().wait_for_everyone()


def leave() -> None:
    """Leave the process group."""
    _state().destroy_process_group()


def add_up(tensor: Tensor) -> None:
    """Replace a tensor by its sum over all processes, in place."""
    if count() > 1:
        dist.all_reduce(tensor)


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients by their mean over all processes, in place."""
    if count() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view(gradient.shape))


def any_of(flag: bool) -> bool:
    """Whether the flag is set in any process."""
    if count() == 1:
        return flag
    total = torch.tensor(float(flag), device=device())
    dist.all_reduce(total)
    return bool(total)
