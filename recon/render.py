"""Images of splats."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from recon.splats import Splats
from trajectories.cameras import Cameras


@torch.no_grad()
def render(splats: Splats, cameras: Cameras, background: Sequence[float] = (0.0, 0.0, 0.0)) -> Tensor:
    """Render splats, on the device they are on.

    Args:
        splats: N Gaussians.
        cameras: (C,) cameras.
        background: RGB behind everything.

    Returns:
        (C, H, W, 3) float32 RGB in [0, 1].
    """
    from recon.rasterize import rasterization

    device = splats.means.device
    images = []
    # One camera at a time: memory stays that of one image.
    for viewmat, K in zip(cameras.viewmats, cameras.K):
        colors, _, _ = rasterization(
            splats.means,
            splats.quats,
            splats.log_scales.exp(),
            splats.logit_opacities.sigmoid(),
            splats.sh,
            torch.as_tensor(viewmat, dtype=torch.float32, device=device)[None],
            torch.tensor(K, dtype=torch.float32, device=device)[None],
            cameras.width,
            cameras.height,
            sh_degree=splats.sh_degree,
            packed=False,
            backgrounds=torch.tensor([list(background)], dtype=torch.float32, device=device),
        )
        images.append(colors[0].clamp(0.0, 1.0))
    return torch.stack(images)
