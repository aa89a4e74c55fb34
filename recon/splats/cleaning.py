"""Remove splats that do not matter, and the similarity of a clean-up."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from recon.render import pixel_shares
from recon.splats.moving import MovingSplats
from recon.splats.splats import Splats
from trajectories.cameras import Cameras
from trajectories.similarity import Similarity


def finite(splats: Splats) -> Tensor:
    """(N,) bool: which splats have finite values only."""
    return torch.stack([tensor.flatten(1).isfinite().all(1) for tensor in map(_columns, vars(splats).values())]).all(0)


def contributions(splats: Splats | MovingSplats, cameras: Cameras, times: np.ndarray) -> Tensor:
    """(N,) the sum of each splat's blending weights over all pixels: how much of the images is its color.

    Args:
        splats: N Gaussians.
        cameras: (C,) cameras.
        times: (C,) seconds.
    """
    device = (splats.rest if isinstance(splats, MovingSplats) else splats).means.device
    total = torch.zeros(len(splats), device=device)
    for n, time in enumerate(times):
        viewmat, K = (
            torch.tensor(each[n], dtype=torch.float32, device=device) for each in (cameras.viewmats, cameras.K)
        )
        total += pixel_shares(splats.at(float(time)), viewmat, K, cameras.width, cameras.height)
    return total


def decimated(splats: Splats | MovingSplats, count: int, weights: Tensor) -> Splats | MovingSplats:
    """The `count` splats of the largest weights (N,), in their order."""
    return splats[weights.argsort(descending=True, stable=True)[:count].sort().values]


def turn_and_center(
    splats: Splats | MovingSplats,
    rotate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    scale: float = 1.0,
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0),
    center: bool = False,
) -> Similarity:
    """The similarity that moves the median of the centers to the origin (if asked), then rotates, scales and moves.

    Args:
        splats: N Gaussians.
        rotate: angles in radians about the fixed axes x, then y, then z.
        scale: the factor.
        translate: the shift at the end.
        center: move the median of the splats' centers to the origin first.
    """
    from scipy.spatial.transform import Rotation

    rest = splats.rest if isinstance(splats, MovingSplats) else splats
    middle = np.median(rest.means.detach().cpu().double().numpy(), axis=0) if center else np.zeros(3)
    # Whole turns by 90 degrees are exact, so that axes stay axes.
    R = Rotation.from_euler("xyz", rotate).as_matrix()
    R = np.where(np.abs(R - R.round()) < 1e-12, R.round(), R)
    return Similarity(R, scale, np.array(translate)).after(Similarity(translation=-middle))


def _columns(tensor: Tensor) -> Tensor:
    return tensor.reshape(len(tensor), -1)
