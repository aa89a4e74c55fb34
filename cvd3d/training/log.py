"""Writes the loss curve of a stage as a CSV file; each line is a mean over several steps."""

from __future__ import annotations

import time
from pathlib import Path

from cvd3d import processes

EVERY = 20


class Log:
    """Appends lines `step,seconds,NAME,...` to a CSV file, one per `EVERY` steps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = time.monotonic()
        self.sums: dict[str, float] = {}
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, step: int, **values: float) -> None:
        """Add the values of one step, and write a line after every `EVERY` steps; only the first process does so."""
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
