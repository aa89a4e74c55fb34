"""Remove the splats that no fitted frame shows."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from recon.fitting.frames import TargetFrame
from recon.render import rasterized
from recon.splats import MovingSplats, Splats


def largest_shares(splats: Splats | MovingSplats, targets: Iterable[TargetFrame]) -> Tensor:
    """(N,) the number of pixels that each splat colors in the frame that shows most of it.

    A pixel that it colors by a tenth counts as a tenth. Opacity is a poor criterion: a faint splat can cover the sky,
    and an opaque one can be smaller than a pixel or hidden.
    """
    largest = torch.zeros(len(splats), device=splats.at(0.0).means.device)
    for target in targets:
        now = splats.at(target.time)
        # The gradient of an image's sum with respect to a splat's color is the sum of its shares in the pixels.
        colors = torch.zeros(len(splats), 3, device=largest.device, requires_grad=True)
        height, width = target.image.shape[:2]
        image = rasterized(now, target.viewmat[None], target.K[None], width, height, colors=colors)[0][0]
        (gradient,) = torch.autograd.grad(image[..., 0].sum(), colors)
        largest = torch.maximum(largest, gradient[:, 0])
    return largest


def pruned(splats: Splats | MovingSplats, targets: Iterable[TargetFrame], pixels: float) -> Splats | MovingSplats:
    """The splats that color at least this many pixels of one of the frames; all splats if there are none."""
    keep = largest_shares(splats, targets) >= pixels
    return splats[keep] if keep.any() else splats
