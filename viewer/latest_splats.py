"""A single-slot queue of splats between a running fit and the page, with a limited load on the fit."""

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

MIN_INTERVAL = 1.0
"""Minimum seconds between two updates."""
MAX_LOAD = 0.03
"""Maximum fraction of wall time that updates take."""
FLUSH_DELAY = 0.5
"""Seconds after an update is due at which pending splats are drawn if no newer ones arrive: the last ones of a fit."""


class LatestSplats:
    """A single-slot queue that keeps only the newest splats; splats that arrive too soon wait or are skipped.

    `offer` may be called from any thread at any rate. If an update is due, it copies the splats in the calling thread,
    so that the fit can then change its tensors; otherwise it returns at once. `draw` is called in the queue's thread.
    """

    def __init__(self, draw: Callable[[DrawnSplats], None], limit: int) -> None:
        self._draw, self._limit = draw, limit
        self._changed = threading.Condition()
        self._due = 0.0
        self._pending: Splats | MovingSplats | PlySequence | None = None
        self._copy: DrawnSplats | None = None
        self._copy_seconds = 0.0
        self._open = True
        self._thread = threading.Thread(target=self._run, name="viewer-splats", daemon=True)
        self._thread.start()

    def offer(self, splats: Splats | MovingSplats | PlySequence) -> None:
        """Draw `splats` now or later, unless newer ones replace them."""
        started = time.monotonic()
        with self._changed:
            if started < self._due:
                if self._pending is None:  # otherwise the thread already waits with a timeout
                    self._changed.notify()
                self._pending = splats
                return
            self._due = math.inf  # no other update until these are drawn
        copy = drawn(splats, self._limit)
        with self._changed:
            self._pending, self._copy, self._copy_seconds = None, copy, time.monotonic() - started
            self._changed.notify()

    def close(self) -> None:
        """Stop the thread; waiting splats are not drawn."""
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
                self._due = now + max(MIN_INTERVAL, (now - started + self._copy_seconds) / MAX_LOAD)

    def _next(self) -> DrawnSplats | Splats | MovingSplats | PlySequence | None:
        """Wait for a copy to draw, or for pending splats that no newer ones have replaced; None when closed."""
        with self._changed:
            while self._open:
                wait = None
                if self._copy is not None:
                    copy, self._copy = self._copy, None
                    return copy
                if self._pending is not None and self._due < math.inf:
                    wait = self._due + FLUSH_DELAY - time.monotonic()
                    if wait <= 0:
                        pending, self._pending, self._copy_seconds, self._due = self._pending, None, 0.0, math.inf
                        return pending
                self._changed.wait(wait)
        return None
