"""Transform splats and points to the axes of another program."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from recon.export.targets import TargetAxes
from recon.rasterize.reference import spherical_harmonics
from recon.splats import Splats


def turn_splats(splats: Splats, target: TargetAxes) -> Splats:
    """Splats in a target's axes and unit, with rotations and colors transformed; unchanged if the axes are ours.

    A covariance becomes M Sigma M^T, which does not depend on the sign of M. If M is a reflection, the quaternions are
    therefore rotated by -M. Colors depend on the sign, so spherical harmonics are transformed by M.
    """
    M = torch.tensor(target.rows, dtype=torch.float64)
    if target.unit == 1 and torch.equal(M, torch.eye(3, dtype=M.dtype)):
        return splats
    proper = torch.linalg.det(M) * M
    blocks = wigner_matrices(M, splats.sh_degree)
    turned, start = [], 0
    for block in blocks:
        band = splats.sh[:, start : start + len(block)]
        turned.append(torch.einsum("ij,njc->nic", block.to(band), band))
        start += len(block)
    return Splats(
        means=splats.means @ (target.unit * M).to(splats.means).T,
        quats=_multiply(_quaternion(proper).to(splats.quats), splats.quats),
        log_scales=splats.log_scales + math.log(target.unit),
        logit_opacities=splats.logit_opacities,
        sh=torch.cat(turned, dim=1),
    )


def turn_points(points: np.ndarray, target: TargetAxes) -> np.ndarray:
    """(P, 3) points in a target's axes and unit."""
    return points @ (target.unit * np.array(target.rows)).T.astype(points.dtype)


def wigner_matrices(M: Tensor, degree: int) -> list[Tensor]:
    """Wigner's D matrices of a rotation or reflection M: they transform coefficients of real spherical harmonics.

    The new color along M d equals the old color along d: sum_i Y_i(M d) k'_i = sum_j Y_j(d) k_j. Bands do not mix, so a
    few more directions than a band has coefficients determine its matrix.

    Args:
        M: (3, 3) float64, orthogonal.
        degree: 0 to 3.

    Returns:
        One (2l + 1, 2l + 1) float64 matrix for each band l from 0 to `degree`.
    """
    d = torch.randn(32, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    before, after = _basis(degree, d), _basis(degree, d @ M.T)
    bands = [slice(l * l, (l + 1) ** 2) for l in range(degree + 1)]
    return [torch.linalg.lstsq(after[:, band], before[:, band]).solution for band in bands]


def _basis(degree: int, directions: Tensor) -> Tensor:
    """(D, K) values of the real spherical harmonics along directions (D, 3)."""
    K = (degree + 1) ** 2
    one_by_one = torch.eye(K, dtype=directions.dtype)[:, :, None]
    return spherical_harmonics(degree, directions[:, None], one_by_one).squeeze(-1)


def _quaternion(R: Tensor) -> Tensor:
    """(4,) wxyz of a rotation (3, 3)."""
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix(R.numpy()).as_quat()
    return torch.tensor([w, x, y, z], dtype=torch.float64)


def _multiply(p: Tensor, q: Tensor) -> Tensor:
    """The quaternions p (4,) times q (N, 4), wxyz."""
    w, v = p[0], p[1:].expand(len(q), 3)
    return torch.cat(
        [
            w * q[:, :1] - (v * q[:, 1:]).sum(-1, keepdim=True),
            w * q[:, 1:] + q[:, :1] * v + torch.linalg.cross(v, q[:, 1:]),
        ],
        dim=-1,
    )
