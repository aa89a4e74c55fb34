"""Random draws from a seeded `torch.Generator`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch

T = TypeVar("T")


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """One number from [low, high)."""
    return low + (high - low) * float(torch.rand((), dtype=torch.float64, generator=generator))


def chance(generator: torch.Generator, probability: float) -> bool:
    """True with the given probability."""
    return uniform(generator) < probability


def choose(generator: torch.Generator, options: Sequence[T]) -> T:
    """One of the options (at least one), all equally likely."""
    return options[int(torch.randint(len(options), (), generator=generator))]
