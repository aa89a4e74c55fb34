"""Splats as viser draws them: centres, covariances, flat colours and opacities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from recon.splats import Splats

SH_C0 = 0.5 / np.sqrt(np.pi)
"""The constant real spherical harmonic."""
LARGEST_DRAWN = 100.0
"""Standard deviation that the largest splat gets in viser's own units."""


@dataclass(frozen=True, eq=False)
class Gaussians:
    """N flat-coloured Gaussians, as float32 numpy arrays that share no memory with the splats they were taken from."""

    means: np.ndarray
    """(N, 3) centres in metres."""
    quats: np.ndarray
    """(N, 4) rotations, wxyz, of any length."""
    log_scales: np.ndarray
    """(N, 3) logarithms of the standard deviations in metres."""
    rgbs: np.ndarray
    """(N, 3) colours in [0, 1]: the DC term of the spherical harmonics alone."""
    opacities: np.ndarray
    """(N,) opacities in [0, 1]."""
    total: int
    """How many splats they were taken from."""

    def __len__(self) -> int:
        return len(self.means)


def flat_gaussians(splats: Splats, limit: int) -> Gaussians:
    """Copy what can be drawn of `splats`: at most `limit`, evenly chosen, without the non-finite and the invisible.

    Cheap enough for the fit's own thread: it copies 14 numbers a splat and does no algebra.
    """
    total = len(splats.means)
    every = slice(None, None, max(1, -(-total // limit)))
    means, quats, log_scales, logits, dc = (
        np.array(values[every].detach().cpu().numpy(), dtype=np.float32)
        for values in (splats.means, splats.quats, splats.log_scales, splats.logit_opacities, splats.sh[:, 0])
    )
    opacities = 1.0 / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
    flat = np.concatenate([means, quats, log_scales, dc, logits[:, None]], axis=1)
    # Half of 1/255 rounds to nothing in viser's 8-bit alpha.
    drawn = np.isfinite(flat).all(axis=1) & (opacities > 0.5 / 255) & (quats != 0).any(axis=1)
    rgbs = np.clip(0.5 + SH_C0 * dc, 0.0, 1.0)
    return Gaussians(
        means[drawn], quats[drawn], log_scales[drawn], rgbs[drawn].astype(np.float32), opacities[drawn], total=total
    )


def covariances(quats: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(N, 3, 3) covariances R S S^T R^T (Kerbl et al. 2023, eq. 6) in the units of `scales`, squared.

    Args:
        quats: (N, 4) rotations, wxyz, of any length but zero.
        scales: (N, 3) standard deviations along the rotated axes.
    """
    w, x, y, z = np.moveaxis(quats / np.linalg.norm(quats, axis=-1, keepdims=True), -1, 0)
    R = np.stack(
        [
            np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
            np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
            np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
        ],
        axis=-2,
    )
    M = R * scales[..., None, :]
    return M @ np.swapaxes(M, -1, -2)


def drawing_unit(log_scales: np.ndarray) -> float:
    """Metres per unit of viser's node, so that its half-precision covariances hold splats of any world's size.

    Half precision spans 6e-5 to 6e4 at full accuracy, that is standard deviations of 0.008 to 256: the 99.9th
    percentile of the largest axes becomes `LARGEST_DRAWN`, which leaves four decades below it.
    """
    if len(log_scales) == 0:
        return 1.0
    return float(np.exp(np.quantile(log_scales.max(axis=1), 0.999)) / LARGEST_DRAWN)
