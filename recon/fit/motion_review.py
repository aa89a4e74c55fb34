"""Which splats need to move: those that show where pictures become wrong when all of them stand still."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from recon.fit.frames import TargetFrame
from recon.render import rasterized
from recon.splats import Splats
from recon.splats.moving import MovingSplats, settled


def use_of_motion(splats: MovingSplats, targets: Iterable[TargetFrame]) -> Tensor:
    """How much nearer to the frames the motion brings what is seen of each splat.

    The length of a path says little: on an even ground splats wander far, and nobody can see it; and where a fit is
    still rough, motion is seen that explains nothing. So the frames are rendered with all motion and with none, and
    each splat is told the mean difference of the errors of the pixels that show it, each weighted with the splat's
    share in its color.

    Args:
        splats: N Gaussians, all of them with paths.
        targets: frames from all places and instants.

    Returns:
        (N,) by how much errors of colors are less, on average; 0 for splats that no frame shows.
    """
    still = settled(splats, torch.zeros_like(splats.moving, dtype=torch.bool)).rest
    sums = torch.zeros(len(splats), 2, device=splats.shifts.device)
    for target in targets:
        now = splats.at(target.time)
        with torch.no_grad():
            errors = [(_image(each, target) - target.image).abs().amax(dim=-1) for each in (still, now)]
        # The gradient of a sum over an image to a splat's color is the sum of its shares in the pixels.
        colors = torch.zeros(len(splats), 3, device=sums.device, requires_grad=True)
        image = _image(now, target, colors)
        (gradient,) = torch.autograd.grad((image[..., 0] * (errors[0] - errors[1]) + image[..., 1]).sum(), colors)
        sums += gradient[:, :2]
    # A thousandth of a pixel is nothing.
    return sums[:, 0] / sums[:, 1].clamp_min(1e-3)


def _image(splats: Splats, target: TargetFrame, colors: Tensor | None = None) -> Tensor:
    """(H, W, 3) of splats as a frame sees them, in their own colors or in others (N, 3)."""
    height, width = target.image.shape[:2]
    return rasterized(splats, target.viewmat[None], target.K[None], width, height, colors=colors)[0][0]
