"""Render splats to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from recon.splats import Splats
from trajectories.cameras import Cameras


def rasterized(
    splats: Splats,
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    *,
    colors: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, Tensor, dict[str, Any]]:
    """Apply the activations of splats and rasterize them with `recon.rasterize.rasterization`; differentiable.

    Args:
        splats: N Gaussians.
        viewmats: (C, 4, 4) world to camera.
        Ks: (C, 3, 3) pixels.
        width: image width in pixels.
        height: image height in pixels.
        colors: (N, D) colors to use instead of the splats' spherical harmonics.
        **options: further options of `rasterization`.

    Returns:
        images (C, H, W, X), alphas (C, H, W, 1) and meta, not packed.
    """
    from recon.rasterize import rasterization

    return rasterization(
        splats.means,
        splats.quats,
        splats.log_scales.exp(),
        splats.logit_opacities.sigmoid(),
        splats.sh if colors is None else colors,
        viewmats,
        Ks,
        width,
        height,
        sh_degree=splats.sh_degree if colors is None else None,
        packed=False,
        **options,
    )


def pixel_shares(splats: Splats, viewmat: Tensor, K: Tensor, width: int, height: int) -> Tensor:
    """The sum of each splat's blending weights over the pixels of one image.

    Args:
        splats: N Gaussians.
        viewmat: (4, 4) world to camera.
        K: (3, 3) pixels.
        width: image width in pixels.
        height: image height in pixels.

    Returns:
        (N,) pixels; one that a splat colors by a tenth counts as a tenth.
    """
    # An image is linear in the colors, so the gradient of its sum is the weights.
    ones = torch.ones(len(splats), 1, device=splats.means.device, requires_grad=True)
    image, _, _ = rasterized(splats, viewmat[None], K[None], width, height, colors=ones)
    if not image.requires_grad:  # no splat is in view
        return torch.zeros(len(splats), device=ones.device)
    return torch.autograd.grad(image.sum(), ones)[0][:, 0]


@torch.no_grad()
def render(splats: Splats, cameras: Cameras, background: Sequence[float] = (0.0, 0.0, 0.0)) -> Tensor:
    """Render splats on their device.

    Args:
        splats: N Gaussians.
        cameras: (C,) cameras.
        background: RGB color of the background.

    Returns:
        (C, H, W, 3) float32 RGB in [0, 1].
    """
    device = splats.means.device
    backgrounds = torch.tensor([list(background)], dtype=torch.float32, device=device)
    images = []
    # One camera at a time limits memory to that of one image.
    for viewmat, K in zip(cameras.viewmats, cameras.K):
        viewmats = torch.as_tensor(viewmat, dtype=torch.float32, device=device)[None]
        Ks = torch.tensor(K, dtype=torch.float32, device=device)[None]
        colors, _, _ = rasterized(splats, viewmats, Ks, cameras.width, cameras.height, backgrounds=backgrounds)
        images.append(colors[0].clamp(0.0, 1.0))
    return torch.stack(images)
