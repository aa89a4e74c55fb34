"""Splats that move: one set at rest, and a smooth path for each splat that leaves its place."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from recon.splats import Splats


@dataclass
class MovingSplats:
    """N Gaussians, of which M move along cubic B-splines over time; the others stand still."""

    rest: Splats
    """The N splats at the middle of the time, where all motion is zero."""
    moving: Tensor
    """(M,) long: which splats move."""
    shifts: Tensor
    """(M, K, 3) metres, added to the centres: the spline's K control points; only their differences count."""
    turns: Tensor
    """(M, K, 3) likewise, rotation vectors in radians about the world's axes, after the rotations at rest."""
    fades: Tensor
    """(M, K) likewise, added to the logits of the opacities."""
    start: float
    """Seconds of the first control point."""
    end: float
    """Seconds of the last one; before the start and after the end all stands still."""

    def __len__(self) -> int:
        return len(self.rest)

    @property
    def sh_degree(self) -> int:
        """The degree of the spherical harmonics."""
        return self.rest.sh_degree

    def at(self, time: float) -> Splats:
        """The scene at an instant in seconds."""
        weights = self._weights((time - self.start) / (self.end - self.start) if self.end > self.start else 0.5)
        shift, turn = (torch.einsum("k,mkd->md", weights, path) for path in (self.shifts, self.turns))
        means, quats, logits = (
            tensor.clone() for tensor in (self.rest.means, self.rest.quats, self.rest.logit_opacities)
        )
        means[self.moving] += shift
        quats[self.moving] = turned(quats[self.moving], turn)
        logits[self.moving] += self.fades @ weights
        return Splats(means, quats, self.rest.log_scales, logits, self.rest.sh)

    def to(self, device: torch.device | str) -> MovingSplats:
        """The same splats on another device."""
        paths = {name: getattr(self, name).to(device) for name in ("moving", "shifts", "turns", "fades")}
        return replace(self, rest=self.rest.to(device), **paths)

    def _weights(self, share: float) -> Tensor:
        """(K,) of the control points; they sum to zero, and all are zero in the middle."""
        K = self.shifts.shape[1]
        return self.shifts.new_tensor(spline_weights(K, share) - spline_weights(K, 0.5))


def spline_weights(knots: int, share: float) -> np.ndarray:
    """(knots,) weights of the control points of a clamped uniform B-spline, cubic from four points on; they sum to 1.

    Args:
        knots: K.
        share: of the way from the first to the last, clamped to [0, 1].
    """
    degree = min(3, knots - 1)
    inner = np.linspace(0, 1, knots - degree + 1)
    places = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    return np.asarray(BSpline(places, np.eye(knots), degree)(np.clip(share, 0.0, 1.0)))


def turned(quats: Tensor, turns: Tensor) -> Tensor:
    """Rotations (M, 4), wxyz and of any length, after which rotation vectors (M, 3) turn about the world's axes."""
    angle = turns.square().sum(-1, keepdim=True).add(1e-16).sqrt()  # differentiable where nothing turns
    q = torch.cat([(angle / 2).cos(), (angle / 2).sin() * turns / angle], dim=-1)
    w, v = q[:, :1], q[:, 1:]
    r, u = quats[:, :1], quats[:, 1:]
    return torch.cat([w * r - (v * u).sum(-1, keepdim=True), w * u + r * v + torch.linalg.cross(v, u)], dim=-1)


def settle(splats: MovingSplats, least: float) -> MovingSplats:
    """Find those that stand still and keep them where they are, on average.

    Args:
        splats: all of them with paths.
        least: metres; a splat whose centre never leaves its mean place by so much stands still.
    """
    shares = np.linspace(0, 1, 4 * splats.shifts.shape[1])
    weights = torch.stack([splats._weights(share) for share in shares])
    paths = torch.einsum("tk,mkd->mtd", weights, splats.shifts)
    middle = paths.mean(dim=1)
    leaves = (paths - middle[:, None]).norm(dim=-1).amax(dim=1) > least
    rest = splats.rest.map(torch.clone)
    still = splats.moving[~leaves]
    rest.means[still] += middle[~leaves]
    rest.quats[still] = turned(
        rest.quats[still], torch.einsum("tk,mkd->md", weights, splats.turns[~leaves]) / len(shares)
    )
    rest.logit_opacities[still] += (splats.fades[~leaves] @ weights.T).mean(dim=1)
    kept = {name: getattr(splats, name)[leaves] for name in ("moving", "shifts", "turns", "fades")}
    return replace(splats, rest=rest, **kept)
