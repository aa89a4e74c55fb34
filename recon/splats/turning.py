"""Rotate and mirror the orientations and the spherical harmonics of splats."""

from __future__ import annotations

import torch
from torch import Tensor

from recon.rasterize.reference import spherical_harmonics


def turned_quats(quats: Tensor, M: Tensor) -> Tensor:
    """(N, 4) orientations, wxyz, after a rotation or reflection M (3, 3) of the world.

    A covariance becomes M Sigma M^T, which does not depend on the sign of M, so a reflection rotates by -M.
    """
    from scipy.spatial.transform import Rotation

    x, y, z, w = Rotation.from_matrix((torch.linalg.det(M) * M).numpy()).as_quat()
    return quaternion_product(quats.new_tensor([[w, x, y, z]]), quats)


def turned_sh(sh: Tensor, M: Tensor) -> Tensor:
    """(N, K, 3) coefficients after a rotation or reflection M (3, 3) of the world."""
    degree = round(sh.shape[1] ** 0.5) - 1
    bands = [
        torch.einsum("ij,njc->nic", D.to(sh), sh[:, l * l : (l + 1) ** 2])
        for l, D in enumerate(wigner_matrices(M, degree))
    ]
    return torch.cat(bands, dim=1)


def quaternion_product(p: Tensor, q: Tensor) -> Tensor:
    """(N, 4) products of quaternions p and q, both (N, 4) wxyz; p may be (1, 4)."""
    w, v = p[:, :1], p[:, 1:].expand(len(q), 3)
    r, u = q[:, :1], q[:, 1:]
    return torch.cat([w * r - (v * u).sum(-1, keepdim=True), w * u + r * v + torch.linalg.cross(v, u)], dim=-1)


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
