"""Run the callbacks of a page one at a time, in the order of their events."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any


class InOrder:
    """A single thread for all callbacks: viser's own threads may run two quick clicks in the wrong order."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="viewer-callbacks")

    def __call__(self, function: Callable[[Any], None]) -> Callable[[Any], Any]:
        """A callback for viser that runs `function` in the thread, with the event as its argument."""

        async def callback(event: Any) -> None:
            self.submit(function, event)

        return callback

    def submit(self, function: Callable[..., None], *args: Any) -> None:
        """Run `function` after all earlier ones."""
        with suppress(RuntimeError):  # the page is closed
            self._thread.submit(function, *args).add_done_callback(_log_exception)

    def close(self) -> None:
        """Skip the callbacks that wait, and end the thread."""
        self._thread.shutdown(wait=False, cancel_futures=True)


def _log_exception(future: Future[None]) -> None:
    with suppress(CancelledError):
        future.result()  # an exception in a callback is logged
