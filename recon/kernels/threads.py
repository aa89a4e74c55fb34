"""Kernels over ranges of work, on as many threads as torch may use.

Kernels release the GIL and write to places of their own, so the bits of a result do not depend on the number of
threads. Plain threads instead of Numba's own: its default layer ends the process when two threads of a program (a
fit and a viewer, say) render at once.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch

PARTS_PER_THREAD = 4


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One pool a process: a forked child starts its own, since threads do not survive a fork."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="rasterize")


def even_parts(count: int) -> np.ndarray:
    """Edges of equal ranges that cover `count` items, a few for each thread."""
    parts = max(1, min(count, torch.get_num_threads() * PARTS_PER_THREAD))
    return np.linspace(0, count, parts + 1).astype(np.int64)


def weighted_parts(weights: np.ndarray) -> np.ndarray:
    """Edges of ranges of about equal total weight that cover all items."""
    parts = torch.get_num_threads() * PARTS_PER_THREAD
    running = np.cumsum(weights, dtype=np.float64)
    inner = np.searchsorted(running, running[-1] * np.arange(1, parts) / parts) if len(weights) else []
    return np.unique(np.concatenate([[0], inner, [len(weights)]]).astype(np.int64))


def run(kernel: Callable[..., Any], edges: np.ndarray, *arguments: Any) -> None:
    """Call `kernel(first, last, *arguments)` for each range between consecutive edges."""
    if torch.get_num_threads() == 1 or len(edges) <= 2:
        kernel(int(edges[0]), int(edges[-1]), *arguments)
        return
    pool = _pool(os.getpid())
    calls = [pool.submit(kernel, int(a), int(b), *arguments) for a, b in zip(edges[:-1], edges[1:])]
    for call in calls:
        call.result()
