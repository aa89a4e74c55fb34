"""Plots of training progress: loss curves, and preview videos of the current weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from cvd3d import processes
from cvd3d.sampling.pipeline import CollaborativePipeline
from cvd3d.videos import write_image
from trajectories import make_rig
from trajectories.files import whole

PREVIEW_PROMPT, PREVIEW_STEPS, PREVIEW_INSTANTS = "a red cube on green grass", 8, 4


def draw_curve(log: Path, picture: Path) -> None:
    """Plot the columns of a stage's CSV file (see `log`) over its steps; do nothing if the file does not exist yet."""
    if processes.rank() > 0 or not log.is_file():
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
    with whole(picture) as temporary:
        figure.savefig(temporary, dpi=120, format="png")


def draw_preview(pipeline: CollaborativePipeline, side: int, frames: int, picture: Path) -> None:
    """Sample two videos of the `circle` rig from fixed noise and draw a few instants of them, one row per video.

    All processes must call this, since they share the network calls; the first one writes the picture.
    """
    rig = make_rig("circle", 2, frames, width=side, height=side)
    generator = torch.Generator().manual_seed(0)
    videos = pipeline(
        PREVIEW_PROMPT, rig, num_inference_steps=PREVIEW_STEPS, generator=generator, progress=False
    ).videos
    if processes.rank() > 0:
        return
    shown = videos[:, np.linspace(0, frames - 1, min(frames, PREVIEW_INSTANTS)).round().astype(int)]
    with whole(picture) as temporary:
        write_image(np.concatenate([np.concatenate(video, axis=1) for video in shown], axis=0), temporary)
