"""Say in one sentence why no cameras were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import networkx

ENOUGH = 15
"""Matches that agree with one geometry, below which two images do not count as showing the same place."""
FLAT = (4, 5, 6)
"""COLMAP's numbers of pairs that one homography explains: the camera only turned, or the scene is a plane."""


@dataclass(frozen=True)
class Pair:
    """Two images with matches."""

    a: str
    b: str
    matches: int
    """Matches that agree with one geometry."""
    kind: int
    """COLMAP's number of that geometry."""


def failure(names: Sequence[str], pairs: Sequence[Pair], models: Sequence[Sequence[str]]) -> str | None:
    """Why the models are no result; None if the largest has half of the images and some pair shows depth.

    Args:
        names: all images.
        pairs: pairs that were matched.
        models: the images of each model that COLMAP made, largest first.
    """
    N = len(names)
    good = [pair for pair in pairs if pair.matches >= ENOUGH]
    flat = sum(pair.kind in FLAT for pair in good)
    # Without one pair that shows depth, COLMAP places a turning camera at small, wrong distances.
    if models and len(models[0]) >= max(2, N / 2) and (not good or flat < len(good)):
        return None
    graph = networkx.Graph([(pair.a, pair.b) for pair in good])
    parts = sorted(map(sorted, networkx.connected_components(graph)), key=len, reverse=True)
    if not parts or (len(parts[0]) < N / 2 and (len(parts) < 2 or len(parts[0]) + len(parts[1]) < N / 2)):
        matched = len(parts[0]) if parts else 0
        together = f"at most {matched} of the {N} images" if matched else f"no two of the {N} images"
        return (
            f"too few matches: {together} show the same place with enough texture; take sharper photos that overlap by "
            "two thirds"
        )
    groups = [list(model) for model in models] if len(models) > 1 else parts
    if len(groups) > 1 and len(groups[1]) > 1:
        (first, second) = groups[:2]
        return (
            f"the images fall into parts that do not meet ({len(first)} images such as {first[0]}, {len(second)} such "
            f"as {second[0]}); add photos that show both parts, or keep one part"
        )
    if flat > len(good) / 2:
        return (
            "the camera only turned in place, or everything seen is one flat surface; walk sideways or around the "
            "subject while you film"
        )
    return "the camera hardly moved between the images that match; take photos from places farther apart"
