"""Measure whether a device computes faster in bfloat16 than in float32."""

from __future__ import annotations

import time
from functools import cache

import torch

SIDE, SECONDS = 768, 0.05
MIN_SPEEDUP = 1.3  # a smaller gain does not justify the rounding errors


@cache
def bf16_is_faster(device: str) -> bool:
    """Whether bfloat16 matrix products are faster; on a CPU, measured in a tenth of a second.

    Args:
        device: a torch device, such as "cpu" or "cuda".
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return _products_per_second(torch.bfloat16) > MIN_SPEEDUP * _products_per_second(torch.float32)


def _products_per_second(dtype: torch.dtype) -> float:
    a = torch.ones(SIDE, SIDE, dtype=dtype)
    a @ a  # warm-up
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS or count < 2:
        a @ a
        count += 1
    return count / elapsed
