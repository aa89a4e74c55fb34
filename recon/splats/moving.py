"""Splats that move: one set at rest, and a smooth path for each splat that leaves its place."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from recon.splats.splats import Splats


@dataclass
class MovingSplats:
    """N Gaussians, of which M move along cubic B-splines over time; the others stand still."""

    rest: Splats
    """The N splats at the middle of the time, where all motion is zero."""
    moving: Tensor
    """(M,) long: which splats move."""
    shifts: Tensor
    """(M, K, 3) meters, added to the centers: the spline's K control points; only their differences count."""
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
        rest, moving = self.rest, self.moving
        shift, turn, fade = (along(path, weights) for path in (self.shifts, self.turns, self.fades))
        return Splats(
            rest.means.index_add(0, moving, shift),
            rest.quats.index_copy(0, moving, turned(rest.quats[moving], turn)),
            rest.log_scales,
            rest.logit_opacities.index_add(0, moving, fade),
            rest.sh,
        )

    def frozen(self, still: Tensor) -> MovingSplats:
        """Let some splats stand still, each at the average of its path.

        Args:
            still: (M,) bool, which of the splats with paths lose them.

        Returns:
            splats that share no memory with these where they differ.
        """
        parts = 4 * self.shifts.shape[1]
        mean = torch.stack([self._weights((n + 0.5) / parts) for n in range(parts)]).mean(dim=0)
        shift, turn, fade = (along(path[still], mean) for path in (self.shifts, self.turns, self.fades))
        rest, stops = self.rest, self.moving[still]
        rest = replace(
            rest,
            means=rest.means.index_add(0, stops, shift),
            quats=rest.quats.index_copy(0, stops, turned(rest.quats[stops], turn)),
            logit_opacities=rest.logit_opacities.index_add(0, stops, fade),
        )
        kept = {name: getattr(self, name)[~still] for name in ("moving", "shifts", "turns", "fades")}
        return replace(self, rest=rest, **kept)

    def to(self, device: torch.device | str) -> MovingSplats:
        """The same splats on another device."""
        paths = {name: getattr(self, name).to(device) for name in ("moving", "shifts", "turns", "fades")}
        return replace(self, rest=self.rest.to(device), **paths)

    def _weights(self, share: float) -> Tensor:
        """(K,) of the control points; they sum to zero, and all are zero in the middle."""
        K = self.shifts.shape[1]
        return self.shifts.new_tensor(spline_weights(K, share) - spline_weights(K, 0.5))


def along(path: Tensor, weights: Tensor) -> Tensor:
    """The sums (M, ...) of control points (M, K, ...) by their weights (K,)."""
    if path.ndim == 2:
        return path @ weights
    # One product of matrices takes a third of the time of M small ones.
    eye = torch.eye(path.shape[2], dtype=path.dtype, device=path.device)
    return path.flatten(1) @ torch.kron(weights[:, None], eye)


@functools.lru_cache(maxsize=4096)  # the instants of a capture come again and again
def spline_weights(knots: int, share: float) -> np.ndarray:
    """(knots,) weights of the control points of a clamped uniform B-spline, cubic from four points on; they sum to 1.

    Args:
        knots: K.
        share: of the way from the first to the last, clamped to [0, 1].
    """
    degree = min(3, knots - 1)
    inner = np.linspace(0, 1, knots - degree + 1)
    places = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    weights = np.asarray(BSpline(places, np.eye(knots), degree)(np.clip(share, 0.0, 1.0)))
    weights.flags.writeable = False
    return weights


def turned(quats: Tensor, turns: Tensor) -> Tensor:
    """Rotations (M, 4), wxyz and of any length, after which rotation vectors (M, 3) turn about the world's axes."""
    angle = turns.square().sum(-1, keepdim=True).add(1e-16).sqrt()  # differentiable where nothing turns
    q = torch.cat([(angle / 2).cos(), (angle / 2).sin() * turns / angle], dim=-1)
    w, v = q[:, :1], q[:, 1:]
    r, u = quats[:, :1], quats[:, 1:]
    return torch.cat([w * r - (v * u).sum(-1, keepdim=True), w * u + r * v + torch.linalg.cross(v, u)], dim=-1)
