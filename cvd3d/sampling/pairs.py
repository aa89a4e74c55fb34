"""Which videos look at each other in each network call."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def default_schedule(views: int) -> tuple[int, int]:
    """Recurrences R and matchings Q for a number of videos: the paper's 1, 1 (two), 4, 1 (four) and 6, 2 (six).

    Beyond six, R stays and Q grows so that a video meets the same share of the others.
    """
    if views <= 2:
        return 1, 1
    return (4, 1) if views <= 4 else (6, math.ceil(views / 3))


def random_matching(views: int, turn: int, generator: torch.Generator) -> Tensor:
    """Split the videos into random pairs (paper, Algorithm 1).

    Args:
        views: V.
        turn: how many matchings came before; of an odd number of videos, video `turn mod V` rests.

    Returns:
        (V,) long: each video's partner, -1 for the one that rests.
    """
    partners = torch.full((views,), -1)
    order = torch.randperm(views, generator=generator)
    if views % 2:
        order = order[order != turn % views]
    first, second = order[0::2], order[1::2]
    partners[first], partners[second] = second, first
    return partners
