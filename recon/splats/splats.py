"""A set of Gaussian splats, and its initialization from points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from recon.points import PointCloud
from recon.splats.regions import Box, Sphere
from recon.splats.turning import turned_quats, turned_sh
from trajectories.errors import InputError
from trajectories.similarity import Similarity

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): a color is 0.5 + SH_C0 sh[0]."""


@dataclass(repr=False)
class Splats:
    """N Gaussians as optimized parameters: before activations, in world coordinates and meters.

    `splats[splats.opacities > 0.02]` selects splats with a mask; indices and slices work, too.
    """

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

    def __repr__(self) -> str:
        return f"Splats({len(self):,}, sh_degree={self.sh_degree}, {self.means.device})"

    def __getitem__(self, index: Any) -> Splats:
        """The splats that a mask (N,), indices, a slice or one index selects."""
        rows = selected(len(self), index)
        return self.map(lambda tensor: tensor[rows.to(tensor.device)])

    @property
    def opacities(self) -> Tensor:
        """(N,) opacities in [0, 1]."""
        return self.logit_opacities.sigmoid()

    @property
    def scales(self) -> Tensor:
        """(N, 3) standard deviations in meters along the rotated axes."""
        return self.log_scales.exp()

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

    def transformed(self, similarity: Similarity) -> Splats:
        """The splats after a similarity of the whole world; orientations and spherical harmonics turn with it.

        Splats have no handedness, so a reflection is exact, too.
        """
        M = torch.from_numpy(similarity.rotation)
        turns = not torch.equal(M, torch.eye(3, dtype=M.dtype))
        return Splats(
            means=self.means @ (similarity.scale * M).to(self.means).T
            + torch.tensor(similarity.translation).to(self.means),
            quats=turned_quats(self.quats, M) if turns else self.quats,
            log_scales=self.log_scales + math.log(similarity.scale),
            logit_opacities=self.logit_opacities,
            sh=turned_sh(self.sh, M) if turns else self.sh,
        )

    def cropped(self, region: Box | Sphere) -> Splats:
        """The splats whose centers are in a region."""
        return self[region.contains(self.means)]

    def save(self, path: Path | str) -> None:
        """Write a .ply in INRIA's layout, in these axes; an existing file is replaced.

        Raises:
            InputError: the path does not end in .ply, or cannot be written.
        """
        from recon.splats.ply import save_splats

        if Path(path).suffix.lower() != ".ply":
            raise InputError(f"{path}: splats are saved as .ply; 'cvd3d export' writes other formats.")
        save_splats(self, path)

    @staticmethod
    def load(path: Path | str) -> Splats:
        """Read a .ply in INRIA's layout, in the axes of the file.

        Raises:
            InputError: as in `recon.splats.ply.load_splats`.
        """
        from recon.splats.ply import load_splats

        return load_splats(path)


def selected(count: int, index: Any) -> Tensor:
    """(n,) the rows, of `count`, that a mask, indices, a slice or one index selects.

    Raises:
        IndexError: an index is out of range, or a mask has another length.
    """
    if isinstance(index, Tensor):
        index = index.cpu()
    return torch.arange(count)[index].reshape(-1)


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
