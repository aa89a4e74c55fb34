"""Progress bars in one common style."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import track as rich_track

Item = TypeVar("Item")


def progress_bar(show: bool) -> Progress:
    """A progress bar with the task's name, its `status` field, counts, and elapsed and remaining time."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        disable=not show,
    )


def track(items: Iterable[Item], name: str, show: bool) -> Iterable[Item]:
    """Iterate over items with a progress bar."""
    return rich_track(list(items), name, disable=not show)
