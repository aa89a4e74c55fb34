"""Flicker: the difference of neighboring frames of a still scene and a static camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cvd3d.evaluation.cases import held_out_case
from cvd3d.evaluation.measure import Case, Found, Measure, Row, Studio, at_most, mean
from cvd3d.training.world.film import film

CASES = 10


def neighbor_difference(videos: np.ndarray) -> float:
    """Mean squared difference of neighboring frames of videos (V, T >= 2, ...) in [0, 1]."""
    return float(np.mean(np.diff(videos, axis=1) ** 2, dtype=np.float64))


def _take(case: Case, studio: Studio) -> Found:
    rig = studio.rig("static", 2)
    true = film(case.world, rig)
    decoded = studio.through_autoencoder(true)
    return Found(
        {
            "generated": neighbor_difference(studio.videos(case, rig)),
            "autoencoder": neighbor_difference(decoded),
            "error": float(np.mean((decoded - true / 255) ** 2)),
        }
    )


def _rows(values: Sequence[dict[str, Any]]) -> list[Row]:
    generated, error = mean(values, "generated"), mean(values, "error")
    return [
        Row("flicker, generated", generated),
        Row("flicker, true, through the autoencoder", mean(values, "autoencoder")),
        Row("the autoencoder's mean squared error", error),
        at_most("flicker, generated / the autoencoder's error", generated / error if error else np.inf, 2.0),
    ]


FLICKER = Measure("flicker", lambda: [held_out_case(n) for n in range(CASES)], (2,), _take, _rows)
