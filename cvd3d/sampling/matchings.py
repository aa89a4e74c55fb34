"""Which videos look at each other in each network pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import networkx as nx
import numpy as np
import torch
from torch import Tensor

from cvd3d.sampling.overlap import overlap
from cvd3d.sampling.request import Matching
from trajectories import Cameras

LEAST_OVERLAP = 0.1  # videos that see nothing of each other meet now and then all the same


def default_schedule(views: int) -> tuple[int, int]:
    """Recurrences R and matchings Q for a number of videos: the paper's 1, 1 (two), 4, 1 (four) and 6, 2 (six).

    Beyond six, R stays and Q grows so that a video meets the same share of the others.
    """
    if views <= 2:
        return 1, 1
    return (4, 1) if views <= 4 else (6, math.ceil(views / 3))


@dataclass
class Matcher:
    """Draws one matching after another; its memory is what a stopped generation must keep.

    random: uniformly random pairs (paper, Algorithm 1). overlap: the pairs that see the most of each other and have met
    the least, so that they meet in proportion to what they share and everything is tied together soon. exhaustive: each
    pass holds all pairs (paper, section 3.4).
    """

    kind: Matching
    cameras: Cameras
    """(V, T) cameras of the videos."""
    turn: int = 0
    """How many matchings were drawn."""
    meetings: np.ndarray = field(init=False)
    """(V, V) how often two videos met."""

    def __post_init__(self) -> None:
        self.meetings = np.zeros((self.views, self.views))
        self._overlap = np.maximum(overlap(self.cameras), LEAST_OVERLAP) if self.kind == "overlap" else None

    @property
    def views(self) -> int:
        """V."""
        return self.cameras.shape[0]

    def draw(self, matchings: int, generator: torch.Generator) -> list[Tensor]:
        """The matchings of one pass, each (V,) long: every video's partner, -1 for one that rests.

        Args:
            matchings: Q; an exhaustive pass has as many as it takes.
            generator: of random choices, and of ties between pairs.
        """
        if self.kind == "exhaustive":
            return round_robin(self.views)
        return [self._draw(generator) for _ in range(matchings)]

    def _draw(self, generator: torch.Generator) -> Tensor:
        if self._overlap is None:
            partners = random_matching(self.views, self.turn, generator)
        else:
            partners = best_matching(self._overlap / (1 + self.meetings), self.turn, generator)
        for v, p in enumerate(partners.tolist()):
            if p >= 0:
                self.meetings[v, p] += 1
        self.turn += 1
        return partners


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


def best_matching(gain: np.ndarray, turn: int, generator: torch.Generator) -> Tensor:
    """The pairs with the largest sum of gains (Edmonds' blossoms, by networkx).

    Args:
        gain: (V, V) symmetric, of each pair.
        turn: of an odd number of videos, video `turn mod V` rests.
        generator: decides between pairs that are as good.

    Returns:
        (V,) long, as `random_matching`.
    """
    V = len(gain)
    ties = 1e-3 * gain.max(initial=0.0) * torch.rand(V, V, generator=generator, dtype=torch.float64).numpy()
    graph = nx.Graph()
    here = [v for v in range(V) if V % 2 == 0 or v != turn % V]
    graph.add_weighted_edges_from((a, b, gain[a, b] + ties[a, b]) for a in here for b in here if a < b)
    partners = torch.full((V,), -1)
    for a, b in nx.max_weight_matching(graph, maxcardinality=True):
        partners[a], partners[b] = b, a
    return partners


def round_robin(views: int) -> list[Tensor]:
    """Matchings in which every two videos meet once: V - 1 of them, or V for an odd number, where each rests once."""
    seats = list(range(views)) + [-1] * (views % 2)
    rounds = []
    for _ in range(max(1, len(seats) - 1)):
        partners = torch.full((views,), -1)
        for a, b in zip(seats[: len(seats) // 2], reversed(seats[len(seats) // 2 :])):
            if a >= 0 and b >= 0:
                partners[a], partners[b] = b, a
        rounds.append(partners)
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return rounds
