"""Moving splats: a set of splats at rest, and a B-spline path for each splat that moves."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.interpolate import BSpline
from torch import Tensor

from recon.scene_files import MOTION_FILE, SPLATS_FILE
from recon.splats.regions import Box, Sphere
from recon.splats.splats import Splats, selected
from recon.splats.turning import quaternion_product
from trajectories.errors import InputError
from trajectories.similarity import Similarity


@dataclass(repr=False)
class MovingSplats:
    """N Gaussians, of which M move along cubic B-splines over time; the others do not move."""

    rest: Splats
    """The N splats at the middle of the time range, where all motion is zero."""
    moving: Tensor
    """(M,) long, the indices of the splats that move."""
    shifts: Tensor
    """(M, K, 3) translations in meters, the spline's K control points; only their differences matter."""
    turns: Tensor
    """(M, K, 3) rotation vectors in radians about the world's axes, applied after the rotations at rest; likewise."""
    fades: Tensor
    """(M, K) offsets of the logits of the opacities; likewise."""
    start: float
    """Time of the first control point in seconds."""
    end: float
    """Time of the last control point in seconds; nothing moves before the start or after the end."""

    def __len__(self) -> int:
        return len(self.rest)

    def __repr__(self) -> str:
        moving = f"{len(self.moving):,} moving from {self.start:g} to {self.end:g} s"
        return f"MovingSplats({len(self):,}, {moving}, sh_degree={self.sh_degree}, {self.rest.means.device})"

    def __getitem__(self, index: Any) -> MovingSplats:
        """The splats that a mask (N,), indices, a slice or one index selects, with their paths."""
        rows = selected(len(self), index)
        path = torch.full((len(self),), -1)
        path[self.moving.cpu()] = torch.arange(len(self.moving))
        moving = (path[rows] >= 0).nonzero()[:, 0].to(self.moving.device)
        paths = path[rows][path[rows] >= 0].to(self.moving.device)
        kept = {name: getattr(self, name)[paths] for name in ("shifts", "turns", "fades")}
        return replace(self, rest=self.rest[rows], moving=moving, **kept)

    @property
    def opacities(self) -> Tensor:
        """(N,) the highest opacity in [0, 1] of each splat over time."""
        times = np.linspace(self.start, self.end, 4 * self.shifts.shape[1])
        return torch.stack([self.at(float(time)).opacities for time in times]).amax(dim=0)

    @property
    def sh_degree(self) -> int:
        """The degree of the spherical harmonics."""
        return self.rest.sh_degree

    def at(self, time: float) -> Splats:
        """The splats at a time in seconds."""
        weights = self._weights((time - self.start) / (self.end - self.start) if self.end > self.start else 0.5)
        rest, moving = self.rest, self.moving
        shift, turn, fade = (weighted_sum(path, weights) for path in (self.shifts, self.turns, self.fades))
        return Splats(
            rest.means.index_add(0, moving, shift),
            rest.quats.index_copy(0, moving, rotated(rest.quats[moving], turn)),
            rest.log_scales,
            rest.logit_opacities.index_add(0, moving, fade),
            rest.sh,
        )

    def frozen(self, still: Tensor) -> MovingSplats:
        """Remove the paths of some splats and place each one at the average of its path.

        Args:
            still: (M,) bool, which of the M paths to remove.

        Returns:
            splats that share memory with these only where they are equal.
        """
        parts = 4 * self.shifts.shape[1]
        mean = torch.stack([self._weights((n + 0.5) / parts) for n in range(parts)]).mean(dim=0)
        shift, turn, fade = (weighted_sum(path[still], mean) for path in (self.shifts, self.turns, self.fades))
        rest, stops = self.rest, self.moving[still]
        rest = replace(
            rest,
            means=rest.means.index_add(0, stops, shift),
            quats=rest.quats.index_copy(0, stops, rotated(rest.quats[stops], turn)),
            logit_opacities=rest.logit_opacities.index_add(0, stops, fade),
        )
        kept = {name: getattr(self, name)[~still] for name in ("moving", "shifts", "turns", "fades")}
        return replace(self, rest=rest, **kept)

    def to(self, device: torch.device | str) -> MovingSplats:
        """The same splats on another device."""
        paths = {name: getattr(self, name).to(device) for name in ("moving", "shifts", "turns", "fades")}
        return replace(self, rest=self.rest.to(device), **paths)

    def transformed(self, similarity: Similarity) -> MovingSplats:
        """The splats after a similarity of the whole world, with their paths; see `Splats.transformed`."""
        M = torch.from_numpy(similarity.rotation).to(self.shifts)
        # A rotation vector is a pseudovector: a reflection also reverses it.
        turns = torch.linalg.det(M) * self.turns @ M.T
        shifts = similarity.scale * self.shifts @ M.T
        return replace(self, rest=self.rest.transformed(similarity), shifts=shifts, turns=turns)

    def cropped(self, region: Box | Sphere) -> MovingSplats:
        """The splats whose centers are in a region at the middle of the time range."""
        return self[region.contains(self.rest.means)]

    def save(self, folder: Path | str) -> None:
        """Write `splats.ply` and `motion.safetensors`, as in a scene folder, to a new folder.

        Raises:
            InputError: the folder is not empty.
        """
        from recon.splats.motion_file import save_motion
        from recon.splats.ply import save_splats
        from trajectories.files import new_folder

        with new_folder(folder) as temporary:
            save_splats(self.rest, temporary / SPLATS_FILE)
            save_motion(self, temporary / MOTION_FILE)

    @staticmethod
    def load(folder: Path | str) -> MovingSplats:
        """Read the moving splats of a scene folder, or of a folder that `save` wrote.

        Raises:
            InputError: a file is missing or of another kind, or nothing moves.
        """
        from recon.scene_folder import SceneFolder

        splats = SceneFolder(Path(folder)).splats
        if not isinstance(splats, MovingSplats):
            raise InputError(f"The splats in {folder} do not move; read {SPLATS_FILE} with Splats.load.")
        return splats

    def _weights(self, share: float) -> Tensor:
        """(K,) weights of the control points; they sum to zero, and all are zero at the middle of the time range."""
        K = self.shifts.shape[1]
        return self.shifts.new_tensor(spline_weights(K, share) - spline_weights(K, 0.5))


def weighted_sum(path: Tensor, weights: Tensor) -> Tensor:
    """The weighted sums (M, ...) of control points (M, K, ...) with weights (K,)."""
    if path.ndim == 2:
        return path @ weights
    # One large matrix product takes a third of the time of M small ones.
    eye = torch.eye(path.shape[2], dtype=path.dtype, device=path.device)
    return path.flatten(1) @ torch.kron(weights[:, None], eye)


@functools.lru_cache(maxsize=4096)  # the times of a capture are used many times
def spline_weights(knots: int, share: float) -> np.ndarray:
    """(knots,) weights of the control points of a clamped uniform B-spline, cubic for K >= 4; they sum to 1.

    Args:
        knots: K, the number of control points.
        share: position between the first and the last control point, clamped to [0, 1].
    """
    degree = min(3, knots - 1)
    inner = np.linspace(0, 1, knots - degree + 1)
    places = np.concatenate([np.zeros(degree), inner, np.ones(degree)])
    weights = np.asarray(BSpline(places, np.eye(knots), degree)(np.clip(share, 0.0, 1.0)))
    weights.flags.writeable = False
    return weights


def rotated(quats: Tensor, turns: Tensor) -> Tensor:
    """Rotations (M, 4), wxyz and of any length, followed by rotation vectors (M, 3) about the world's axes."""
    angle = turns.square().sum(-1, keepdim=True).add(1e-16).sqrt()  # differentiable at zero rotation
    q = torch.cat([(angle / 2).cos(), (angle / 2).sin() * turns / angle], dim=-1)
    return quaternion_product(q, quats)
