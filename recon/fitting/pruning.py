"""Remove the splats that no fitted frame shows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from recon.fitting.frames import TargetFrame
from recon.render import pixel_shares
from recon.splats import MovingSplats, Splats


def largest_shares(splats: Splats | MovingSplats, targets: Iterable[TargetFrame]) -> Tensor:
    """(N,) the number of pixels that each splat colors in the frame that shows most of it.

    Opacity is a poor criterion: a faint splat can cover the sky, and an opaque one can be smaller than a pixel or
    hidden.
    """
    largest = torch.zeros(len(splats), device=splats.at(0.0).means.device)
    for target in targets:
        height, width = target.image.shape[:2]
        shares = pixel_shares(splats.at(target.time), target.viewmat, target.K, width, height)
        largest = torch.maximum(largest, shares)
    return largest


def pruned(splats: Splats | MovingSplats, targets: Iterable[TargetFrame], pixels: float) -> Splats | MovingSplats:
    """The splats that color at least this many pixels of one of the frames; all splats if there are none."""
    keep = largest_shares(splats, targets) >= pixels
    return splats[keep] if keep.any() else splats
