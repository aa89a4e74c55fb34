"""The type of a measure, and the rows of the table that it contributes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvd3d.evaluation.cases import Case
from cvd3d.evaluation.studio import Studio


@dataclass(frozen=True, eq=False)
class Found:
    """The result of one case."""

    values: dict[str, Any]
    """JSON values."""
    picture: np.ndarray | None = None
    """(H, W, 3) uint8, for the contact sheet."""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    what: str
    value: float
    aim: str = ""
    reached: bool | None = None
    """Whether the value meets the aim; None without an aim."""


@dataclass(frozen=True)
class Measure:
    """A measure of a model, taken case by case."""

    name: str
    cases: Callable[[], Sequence[Case]]
    """Returns all cases; a run with fewer takes the first ones."""
    videos: tuple[int, ...]
    """Number of videos in each set that a case samples."""
    take: Callable[[Case, Studio], Found]
    rows: Callable[[Sequence[dict[str, Any]]], list[Row]]
    """Maps the values of one or more cases to rows."""


def at_most(what: str, value: float, aim: float) -> Row:
    """A row whose value should be at most the aim."""
    return Row(what, value, f"<= {aim:g}", bool(value <= aim))


def at_least(what: str, value: float, aim: float) -> Row:
    """A row whose value should be at least the aim."""
    return Row(what, value, f">= {aim:g}", bool(value >= aim))


def mean(values: Sequence[dict[str, Any]], name: str) -> float:
    """The mean of one value over all cases."""
    return float(np.mean([each[name] for each in values]))
