"""Convert splats to what viser draws: centers, covariances, constant colors and opacities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from recon.splats import Splats

SH_C0 = 0.5 / np.sqrt(np.pi)
"""The constant real spherical harmonic."""
LARGEST_DRAWN = 100.0
"""Standard deviation of the largest splats in drawing units."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """N Gaussians without view-dependent color, as float32 numpy arrays."""

    means: np.ndarray
    """(N, 3) centers in meters."""
    quats: np.ndarray
    """(N, 4) rotations as quaternions wxyz, not normalized."""
    log_scales: np.ndarray
    """(N, 3) logarithms of the standard deviations in meters."""
    rgbs: np.ndarray
    """(N, 3) colors in [0, 1], from the DC term of the spherical harmonics."""
    opacities: np.ndarray
    """(N,) opacities in [0, 1]."""

    def __len__(self) -> int:
        return len(self.means)

    def __getitem__(self, rows: slice | np.ndarray) -> Gaussians:
        """The Gaussians of some rows."""
        return Gaussians(**{name: values[rows] for name, values in vars(self).items()})


def flat_gaussians(splats: Splats) -> Gaussians:
    """Convert splats for drawing; splats with non-finite values become invisible points at the origin."""
    means, quats, log_scales, logits, dc = (
        np.asarray(values.detach().cpu().numpy(), dtype=np.float32)
        for values in (splats.means, splats.quats, splats.log_scales, splats.logit_opacities, splats.sh[:, 0])
    )
    opacities = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    # A sum with a non-finite term is non-finite, and testing the sums is much faster than testing every value.
    sums = logits + sum(values.sum(axis=1) for values in (means, quats, log_scales, dc))
    invalid = ~np.isfinite(sums) | ~quats.any(axis=1)
    if invalid.any():
        means, log_scales, dc = (np.where(invalid[:, None], 0, values) for values in (means, log_scales, dc))
        quats, opacities = np.where(invalid[:, None], (1, 0, 0, 0), quats), np.where(invalid, 0, opacities)
    return Gaussians(means, quats, log_scales, np.clip(0.5 + SH_C0 * dc, 0.0, 1.0), opacities)


def visible(gaussians: Gaussians) -> Gaussians:
    """The Gaussians whose opacity does not round to 0 in viser's 8-bit alpha."""
    return gaussians[gaussians.opacities > 0.5 / 255]


def covariances(quats: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(N, 3, 3) covariances R S S^T R^T (Kerbl et al. 2023, eq. 6) in the units of `scales`, squared.

    Args:
        quats: (N, 4) rotations as quaternions wxyz of any nonzero length.
        scales: (N, 3) standard deviations along the rotated axes.
    """
    w, x, y, z = quats.T / np.linalg.norm(quats, axis=-1)
    R = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    variances = np.square(scales).T
    covariance = np.empty((len(quats), 3, 3), dtype=w.dtype)
    for i in range(3):
        for j in range(i, 3):  # N entries at a time: products of many small matrices are slow
            entry = sum(a * b * variance for a, b, variance in zip(R[i], R[j], variances))
            covariance[:, i, j] = covariance[:, j, i] = entry
    return covariance


def drawing_unit(log_scales: np.ndarray) -> float:
    """Meters per drawing unit: the scale of viser's node that fits the splats into half-precision covariances.

    Half precision has full accuracy from 6e-5 to 6e4, that is for standard deviations from 0.008 to 256. The 99.9th
    percentile of the largest axes maps to `LARGEST_DRAWN`, which leaves four decades below it.
    """
    if len(log_scales) == 0:
        return 1.0
    return float(np.exp(np.quantile(log_scales.max(axis=1), 0.999)) / LARGEST_DRAWN)
