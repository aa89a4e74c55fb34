"""Remove the splats that are too faint to see."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from recon.splats import MovingSplats, Splats


def highest_opacities(splats: Splats | MovingSplats) -> Tensor:
    """(N,) the highest opacity in [0, 1] of each splat over time."""
    if isinstance(splats, Splats):
        return splats.logit_opacities.sigmoid()
    times = np.linspace(splats.start, splats.end, 4 * splats.shifts.shape[1])
    return torch.stack([splats.at(float(time)).logit_opacities for time in times]).amax(dim=0).sigmoid()


def pruned(splats: Splats | MovingSplats, opacity: float) -> Splats | MovingSplats:
    """The splats that reach an opacity at some time; all of them if none does."""
    keep = highest_opacities(splats) >= opacity
    if not keep.any():
        return splats
    if isinstance(splats, Splats):
        return splats.map(lambda tensor: tensor[keep])
    paths = keep[splats.moving]
    kept = {name: getattr(splats, name)[paths] for name in ("shifts", "turns", "fades")}
    places = keep.cumsum(0) - 1
    rest = splats.rest.map(lambda tensor: tensor[keep])
    return replace(splats, rest=rest, moving=places[splats.moving[paths]], **kept)
