"""Whether this machine computes faster in bfloat16."""

from __future__ import annotations

import time
from functools import cache

import torch

SIDE, SECONDS = 768, 0.05
WORTHWHILE = 1.3  # times as fast; below, rounding is not worth it


@cache
def bf16_is_faster(device: str) -> bool:
    """Measure matrix products in float32 and in bfloat16 for a tenth of a second.

    Args:
        device: a torch device, such as "cpu" or "cuda".
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return _products_per_second(torch.bfloat16) > WORTHWHILE * _products_per_second(torch.float32)


def _products_per_second(dtype: torch.dtype) -> float:
    a = torch.ones(SIDE, SIDE, dtype=dtype)
    a @ a  # the first product also sets up the kernel
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS or count < 2:
        a @ a
        count += 1
    return count / elapsed
