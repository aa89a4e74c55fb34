"""The bar of whatever takes longer than two seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with the time left while the block runs.

    Yields:
        `advance(done, total)`, to be called after each step.
    """
    from recon.progress import progress_bar

    with progress_bar(True) as bar:
        task = bar.add_task(label, total=None, status="")
        yield lambda done, total: bar.update(task, completed=done, total=total)
