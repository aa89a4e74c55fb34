"""What a measure is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvd3d.evaluation.cases import Case
from cvd3d.evaluation.studio import Studio


@dataclass(frozen=True, eq=False)
class Found:
    """What one case gave."""

    values: dict[str, Any]
    """As JSON."""
    picture: np.ndarray | None = None
    """(H, W, 3) uint8 to look at."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    what: str
    value: float
    aim: str = ""
    reached: bool | None = None
    """None where there is no aim."""


@dataclass(frozen=True)
class Measure:
    """Something to know about a model."""

    name: str
    cases: Callable[[], Sequence[Case]]
    """All of them; the first few where fewer are asked for."""
    videos: tuple[int, ...]
    """The videos of each set that a case samples."""
    take: Callable[[Case, Studio], Found]
    rows: Callable[[Sequence[dict[str, Any]]], list[Row]]
    """From the values of all cases, at least one."""


def at_most(what: str, value: float, aim: float) -> Row:
    """A row whose value should not be above the aim."""
    return Row(what, value, f"<= {aim:g}", bool(value <= aim))


def at_least(what: str, value: float, aim: float) -> Row:
    """A row whose value should not be below the aim."""
    return Row(what, value, f">= {aim:g}", bool(value >= aim))


def mean(values: Sequence[dict[str, Any]], name: str) -> float:
    """Of one value over all cases."""
    return float(np.mean([each[name] for each in values]))
