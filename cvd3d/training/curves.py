"""Loss curves as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def draw_curve(log: Path, picture: Path) -> None:
    """Draw the columns of a stage's CSV file (see `log`) over its steps; nothing where there is no line yet."""
    if not log.is_file():
        return
    from matplotlib.figure import Figure

    names, *_ = log.read_text().splitlines()
    table = np.loadtxt(log, delimiter=",", skiprows=1, ndmin=2)
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    for column, name in enumerate(names.split(","), start=0):
        if name not in ("step", "seconds"):
            axes.plot(table[:, 0], table[:, column], label=name)
    axes.set(xlabel="step", title=log.stem)
    axes.legend()
    part = picture.with_suffix(".part.png")
    figure.savefig(part, dpi=120)
    part.replace(picture)
