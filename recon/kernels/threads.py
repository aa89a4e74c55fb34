"""Run kernels over ranges of items in parallel, on torch's number of threads.

Kernels release the GIL and write to disjoint outputs, so results are bitwise equal for any number of threads. This
module uses Python threads instead of Numba's: Numba's default threading layer aborts the process when two threads of a
program (such as a fit and a viewer) render at the same time.
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
    """One pool per process: threads do not survive a fork, so a forked child starts a new pool."""
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="rasterize")


def even_parts(count: int) -> np.ndarray:
    """Edges of equal ranges that cover `count` items, a few ranges per thread."""
    parts = max(1, min(count, torch.get_num_threads() * PARTS_PER_THREAD))
    return np.linspace(0, count, parts + 1).astype(np.int64)


def weighted_parts(weights: np.ndarray) -> np.ndarray:
    """Edges of ranges that cover all items and have about equal total weight."""
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
