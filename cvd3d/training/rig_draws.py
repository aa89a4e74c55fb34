"""Random camera rigs for the training of the default model."""

from __future__ import annotations

import numpy as np
import torch

from cvd3d.training.world.draws import chance, choose, uniform
from trajectories import Rig, make_rig
from trajectories.cameras import Cameras

SIZE = 128  # pixels
FPS = 8.0
SHARES = (("circle", 6), ("orbit", 5), ("upper_hemi", 2), ("dome", 3), ("interpolate", 2), ("static", 2))
IDENTICAL = 0.12  # share of pairs whose cameras are the same
RIG_VIEWS = 4  # a pair is two of at least this many camera paths


def sample_rig(generator: torch.Generator, views: int, frames: int) -> Rig:
    """Draw `views` camera paths of one rig around the origin, with random field of view, distance and height."""
    name = choose(generator, tuple(name for name, weight in SHARES for _ in range(weight)))
    options = {
        "target": (uniform(generator, -0.15, 0.15), uniform(generator, -0.15, 0.15), uniform(generator, 0.4, 0.8)),
        "radius": uniform(generator, 3.6, 5.8),
        "elevation": np.radians(uniform(generator, 4.0, 20.0) if name == "dome" else uniform(generator, 6.0, 45.0)),
        "azimuth": np.radians(-90.0 if chance(generator, 0.3) else uniform(generator, -180.0, 180.0)),
        "fov": np.radians(50.0 if chance(generator, 0.5) else uniform(generator, 42.0, 60.0)),
        "width": SIZE,
        "height": SIZE,
        "fps": FPS,
    }
    if name in ("circle", "upper_hemi"):
        options["spread"] = uniform(generator, 0.15, 0.6)
    if name == "orbit":
        options["sweep"] = np.radians(uniform(generator, -90.0, 90.0))
    rig = make_rig(name, max(RIG_VIEWS, views), frames, **options)
    chosen = torch.randperm(rig.views, generator=generator)[:views].numpy()
    if chance(generator, IDENTICAL):
        chosen = np.repeat(chosen[:1], views)
    cameras = rig.cameras[chosen]
    return Rig(Cameras(cameras.c2w, cameras.K, SIZE, SIZE), rig.times, tuple(f"cam{i:02d}" for i in range(views)))
