"""Hands the newest splats to the page, at a rate that a running fit does not feel."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from viewer.drawn import DrawnSplats, drawn

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence

LEAST_INTERVAL = 1.0
"""Seconds between two updates, at least."""
SHARE = 0.03
"""The part of the wall clock that updates may take."""
PATIENCE = 0.5
"""Seconds after which splats that came too early are drawn after all, if none came since: the fit's last ones."""


class LatestSplats:
    """A single-slot queue that keeps only the newest splats; those that come too soon wait or are skipped.

    `offer` may be called from any thread at any rate. It copies on the calling thread when an update is due, so that
    the fit can go on changing its tensors, and otherwise returns at once. `draw` is called on the queue's own thread.
    """

    def __init__(self, draw: Callable[[DrawnSplats], None], limit: int) -> None:
        self._draw, self._limit = draw, limit
        self._changed = threading.Condition()
        self._due = 0.0
        self._late: Splats | MovingSplats | PlySequence | None = None
        self._copy: DrawnSplats | None = None
        self._copied_in = 0.0
        self._open = True
        self._thread = threading.Thread(target=self._run, name="viewer-splats", daemon=True)
        self._thread.start()

    def offer(self, splats: Splats | MovingSplats | PlySequence) -> None:
        """Show `splats`, now or soon, unless newer ones come first."""
        started = time.monotonic()
        with self._changed:
            if started < self._due:
                if self._late is None:  # otherwise the thread waits for its moment already
                    self._changed.notify()
                self._late = splats
                return
            self._due = math.inf  # nothing more until these are drawn
        copy = drawn(splats, self._limit)
        with self._changed:
            self._late, self._copy, self._copied_in = None, copy, time.monotonic() - started
            self._changed.notify()

    def close(self) -> None:
        """End the thread; what waits is not drawn."""
        with self._changed:
            self._open = False
            self._changed.notify()
        self._thread.join(timeout=5.0)

    def _run(self) -> None:
        while (newest := self._next()) is not None:
            started = time.monotonic()
            self._draw(newest if isinstance(newest, DrawnSplats) else drawn(newest, self._limit))
            now = time.monotonic()
            with self._changed:
                self._due = now + max(LEAST_INTERVAL, (now - started + self._copied_in) / SHARE)

    def _next(self) -> DrawnSplats | Splats | MovingSplats | PlySequence | None:
        """Wait for a copy that is due, or for late splats that nothing has replaced; None when closed."""
        with self._changed:
            while self._open:
                wait = None
                if self._copy is not None:
                    copy, self._copy = self._copy, None
                    return copy
                if self._late is not None and self._due < math.inf:
                    wait = self._due + PATIENCE - time.monotonic()
                    if wait <= 0:
                        late, self._late, self._copied_in, self._due = self._late, None, 0.0, math.inf
                        return late
                self._changed.wait(wait)
        return None
