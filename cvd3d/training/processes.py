"""Several processes that train one network: each takes its share of the batch, and they average their gradients.

On a CPU two processes of one thread are half as fast again as one of two threads. Start them with
`torchrun --nproc-per-node 2 -m cvd3d train ...`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor


def join() -> None:
    """Join the other processes that torchrun started, if it did."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and not dist.is_initialized():
        dist.init_process_group("gloo")


def rank() -> int:
    """The number of this process; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def wait() -> None:
    """Until all processes are here."""
    if dist.is_initialized():
        dist.barrier()


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Replace the gradients by their mean over all processes."""
    if not dist.is_initialized():
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.reshape(-1) for g in gradients])
    dist.all_reduce(flat)
    flat /= count()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view(gradient.shape))
