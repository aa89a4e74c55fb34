"""What is drawn of splats: those that stand still, and those that move, which are drawn anew at every instant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from viewer.gaussians import Gaussians, flat_gaussians, seen

if TYPE_CHECKING:
    from recon.splats import MovingSplats, Splats
    from recon.splats.ply_sequence import PlySequence


@dataclass(frozen=True, eq=False)
class DrawnSplats:
    """Some or all splats of a scene, which share no memory with those they were taken from."""

    still: Gaussians
    """Those that stand still."""
    moving: MovingSplats | PlySequence | None
    """The others; None where all stand still."""
    total: int
    """How many splats they were taken from."""

    def __len__(self) -> int:
        return len(self.still) + (0 if self.moving is None else len(self.moving))

    @property
    def means(self) -> np.ndarray:
        """(N, 3) centers; of those that move, at the first instant."""
        return np.concatenate([self.still.means, self.instant(-np.inf).means])

    def instant(self, seconds: float) -> Gaussians:
        """Those that move, then: always all of them in one order, as a page changes their number at a great cost."""
        return self.still[:0] if self.moving is None else flat_gaussians(self.moving.at(seconds))


def drawn(splats: Splats | MovingSplats | PlySequence, limit: int) -> DrawnSplats:
    """Copy what can be drawn of `splats`: at most `limit`, evenly chosen, without the non-finite and the invisible.

    Cheap enough for the fit's own thread: it copies numbers and does no algebra. A sequence is read as it plays, whole.
    """
    from recon.splats import MovingSplats
    from recon.splats.ply_sequence import PlySequence

    total = len(splats)
    if isinstance(splats, PlySequence):
        return DrawnSplats(flat_gaussians(splats.at(-np.inf))[:0], splats, total)
    chosen = np.arange(0, total, max(1, -(-total // limit)))
    if not isinstance(splats, MovingSplats):
        return DrawnSplats(seen(flat_gaussians(_rows(splats, chosen))), None, total)
    ids = splats.moving.cpu().numpy()
    still = seen(flat_gaussians(_rows(splats.rest, np.setdiff1d(chosen, ids))))
    moving = _alone(splats, np.flatnonzero(np.isin(ids, chosen)))
    return DrawnSplats(still, moving if len(moving) else None, total)


def _alone(splats: MovingSplats, rows: np.ndarray) -> MovingSplats:
    """Those of the moving splats without the others."""
    import torch

    from recon.splats import MovingSplats

    paths = {name: getattr(splats, name).detach()[rows].cpu() for name in ("shifts", "turns", "fades")}
    rest = _rows(splats.rest, splats.moving.cpu().numpy()[rows])
    return MovingSplats(rest, torch.arange(len(rows)), **paths, start=splats.start, end=splats.end)


def _rows(splats: Splats, rows: np.ndarray) -> Splats:
    """A copy of some splats, with one color each."""
    return replace(splats, sh=splats.sh[:, :1]).map(lambda tensor: tensor.detach()[rows].cpu())
