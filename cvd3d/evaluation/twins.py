"""The difference of videos with identical cameras: still scenes, moving objects, and 2 to 8 views."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from cvd3d.evaluation.cases import Case, held_out_case
from cvd3d.evaluation.measure import Found, Measure, Row, at_least, at_most, mean
from cvd3d.evaluation.studio import Studio, twins_of

TWINS, MOVERS, CROWDS = 20, 20, 4  # cases
VIEWS = (2, 4, 8)


def twin_difference(videos: np.ndarray) -> float:
    """Mean squared difference of all pairs of V >= 2 videos (V, ...) in [0, 1]."""
    return float(np.mean([np.mean((a - b) ** 2, dtype=np.float64) for a, b in combinations(videos, 2)]))


def _difference(case: Case, studio: Studio, views: int = 2, cross_view: float = 1.0) -> float:
    rig = twins_of(studio.rig("circle", 1), views)
    return twin_difference(studio.videos(case, rig, cross_view))


def _take_twins(case: Case, studio: Studio) -> Found:
    return Found({name: _difference(case, studio, cross_view=scale) for name, scale in (("on", 1.0), ("off", 0.0))})


def _twin_rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    on, off = mean(values, "on"), mean(values, "off")
    return [
        at_most("twin difference, cross-view on", on, 0.004),
        Row("twin difference, cross-view off", off),
        at_least("twin difference, off / on", off / on if on else np.inf, 5.0),
    ]


def _take_movers(case: Case, studio: Studio) -> Found:
    return Found({"on": _difference(case, studio)})


def _mover_rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    return [at_most("twin difference of moving objects", mean(values, "on"), 0.006)]


def _take_crowds(case: Case, studio: Studio) -> Found:
    return Found({str(views): _difference(case, studio, views) for views in VIEWS})


def _crowd_rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    differences = {views: mean(values, str(views)) for views in VIEWS}
    rows = [Row(f"twin difference of {views} views", value) for views, value in differences.items()]
    few, many = differences[VIEWS[0]], differences[VIEWS[-1]]
    return [*rows, at_most(f"twin difference, {VIEWS[-1]} views / {VIEWS[0]} views", many / few if few else 1.0, 1.1)]


TWIN_DIFFERENCE = Measure("twins", lambda: [held_out_case(n) for n in range(TWINS)], (2, 2), _take_twins, _twin_rows)
SYNCHRONY = Measure(
    "synchrony", lambda: [held_out_case(n, moves=True) for n in range(MOVERS)], (2,), _take_movers, _mover_rows
)
MORE_VIEWS = Measure("views", lambda: [held_out_case(n) for n in range(CROWDS)], VIEWS, _take_crowds, _crowd_rows)
