"""A set of Gaussian splats, and its initialization from points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from recon.points import PointCloud
from trajectories.errors import InputError

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): a color is 0.5 + SH_C0 sh[0]."""


@dataclass
class Splats:
    """N Gaussians as optimized parameters: before activations, in world coordinates and meters."""

    means: Tensor
    """(N, 3) centers."""
    quats: Tensor
    """(N, 4) rotations, wxyz, of any nonzero length."""
    log_scales: Tensor
    """(N, 3) natural logarithms of the standard deviations along the rotated axes."""
    logit_opacities: Tensor
    """(N,) opacities before the sigmoid."""
    sh: Tensor
    """(N, K, 3) spherical harmonics of the RGB color, K = (degree + 1)^2; a color is 0.5 plus their sum."""

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        """The degree of the spherical harmonics."""
        return round(self.sh.shape[1] ** 0.5) - 1

    def at(self, time: float) -> Splats:
        """The splats at a time in seconds: always these, since they do not move."""
        return self

    def map(self, function: Callable[[Tensor], Tensor]) -> Splats:
        """The same splats with `function` applied to each tensor, such as `torch.Tensor.detach`."""
        return Splats(**{field.name: function(getattr(self, field.name)) for field in fields(self)})

    def to(self, device: torch.device | str) -> Splats:
        """The same splats on another device."""
        return self.map(lambda tensor: tensor.to(device))


def from_points(points: PointCloud, sh_degree: int, generator: torch.Generator) -> Splats:
    """One round, faint splat per point, as large as the distance to its neighbors (Kerbl et al. 2023, 5.1).

    Args:
        points: at least two points at different positions.
        sh_degree: degree of the spherical harmonics, 0 to 3; coefficients above degree 0 start at zero.
        generator: random numbers for the rotations, which have no visible effect until the scales differ.

    Raises:
        InputError: fewer than two points.
    """
    from scipy.spatial import cKDTree

    if len(points) < 2:
        raise InputError(f"There are {len(points)} starting points; give at least two.")
    positions = points.positions.astype(np.float64)
    neighbors = min(4, len(points))
    gaps = cKDTree(positions).query(positions, neighbors)[0][:, 1:]
    scales = np.sqrt((gaps**2).mean(axis=1))
    # Coincident points would get scales near zero, which optimization cannot recover from.
    scales = np.maximum(scales, 1e-3 * np.median(scales) + 1e-7)
    N = len(points)
    sh = torch.zeros(N, (sh_degree + 1) ** 2, 3)
    sh[:, 0] = (torch.from_numpy(points.colors.copy()) - 0.5) / SH_C0
    return Splats(
        means=torch.from_numpy(points.positions.copy()),
        quats=torch.nn.functional.normalize(torch.randn(N, 4, generator=generator), dim=-1),
        log_scales=torch.from_numpy(np.log(scales)).float()[:, None].repeat(1, 3),
        logit_opacities=torch.logit(torch.full((N,), 0.1)),
        sh=sh,
    )
