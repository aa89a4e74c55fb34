"""Matchings: which videos attend to each other in each pass of the network."""

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

MIN_OVERLAP = 0.1  # so that videos without a common view are still paired sometimes


def default_schedule(views: int) -> tuple[int, int]:
    """Recurrences R and matchings Q for a number of videos: the paper's 1, 1 (two), 4, 1 (four) and 6, 2 (six).

    Beyond six, R stays and Q grows so that a video is paired with the same fraction of the others.
    """
    if views <= 2:
        return 1, 1
    return (4, 1) if views <= 4 else (6, math.ceil(views / 3))


def cpu_schedule(views: int) -> tuple[int, int]:
    """R and Q of the command line on a CPU: those of four videos for more than four as well.

    Eight videos then take 122 network calls instead of the 455 of `default_schedule` (16 steps, with guidance).
    """
    return default_schedule(min(views, 4))


@dataclass
class Matcher:
    """Draw the matchings one after another; `turn` and `meetings` are saved to resume a stopped run.

    random: uniformly random pairs (paper, Algorithm 1). overlap: prefer pairs with a large visual overlap that were
    rarely paired, so that videos are paired in proportion to their overlap and all are connected early. exhaustive:
    each pass contains all pairs (paper, section 3.4).
    """

    kind: Matching
    cameras: Cameras
    """(V, T) cameras of the videos."""
    turn: int = 0
    """Number of matchings drawn so far."""
    meetings: np.ndarray = field(init=False)
    """(V, V) how often two videos were paired."""

    def __post_init__(self) -> None:
        self.meetings = np.zeros((self.views, self.views))
        self._overlap = np.maximum(overlap(self.cameras), MIN_OVERLAP) if self.kind == "overlap" else None

    @property
    def views(self) -> int:
        """The number of videos V."""
        return self.cameras.shape[0]

    def draw(self, matchings: int, generator: torch.Generator) -> list[Tensor]:
        """The matchings of one pass, each (V,) long: every video's partner, or -1 for an unpaired video.

        Args:
            matchings: Q; an exhaustive pass has as many as needed for all pairs.
            generator: for random choices and for breaking ties.
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
        turn: number of matchings drawn before; for an odd V, video `turn mod V` is unpaired.

    Returns:
        (V,) long: each video's partner, or -1 for the unpaired video.
    """
    partners = torch.full((views,), -1)
    order = torch.randperm(views, generator=generator)
    if views % 2:
        order = order[order != turn % views]
    first, second = order[0::2], order[1::2]
    partners[first], partners[second] = second, first
    return partners


def best_matching(gain: np.ndarray, turn: int, generator: torch.Generator) -> Tensor:
    """The matching with the largest sum of gains (Edmonds' blossom algorithm, by networkx).

    Args:
        gain: (V, V) symmetric gain of each pair.
        turn: for an odd V, video `turn mod V` is unpaired.
        generator: breaks ties.

    Returns:
        (V,) long, as `random_matching`.
    """
    V = len(gain)
    ties = 1e-3 * gain.max(initial=0.0) * torch.rand(V, V, generator=generator, dtype=torch.float64).numpy()
    graph = nx.Graph()
    paired = [v for v in range(V) if V % 2 == 0 or v != turn % V]
    graph.add_weighted_edges_from((a, b, gain[a, b] + ties[a, b]) for a in paired for b in paired if a < b)
    partners = torch.full((V,), -1)
    for a, b in nx.max_weight_matching(graph, maxcardinality=True):
        partners[a], partners[b] = b, a
    return partners


def round_robin(views: int) -> list[Tensor]:
    """Matchings that contain each pair once: V - 1 matchings, or V for an odd V, with each video unpaired once."""
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
