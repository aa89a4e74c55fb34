"""The loss curve as a CSV file, averaged over a few steps a line."""

from __future__ import annotations

import time
from pathlib import Path

from cvd3d import processes

EVERY = 20


class Log:
    """Appends `step,seconds,NAME,...` to a CSV file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = time.monotonic()
        self.sums: dict[str, float] = {}
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, **values: float) -> None:
        """Take in one step's values; write a line every few steps, if this is the first of several processes."""
        if processes.rank() > 0:
            return
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if self.count < EVERY:
            return
        means = {name: total / self.count for name, total in self.sums.items()}
        header = "" if self.path.exists() else ",".join(("step", "seconds", *means)) + "\n"
        with self.path.open("a") as file:
            file.write(header + f"{step + 1},{time.monotonic() - self.start:.1f}")
            file.write("".join(f",{value:.5g}" for value in means.values()) + "\n")
        self.sums, self.count = {}, 0
